import type { rest } from '@sightline/contracts';

import type { alert } from '../storage/alert-schema.js';

export type AlertRow = typeof alert.$inferSelect;
export type AlertEvent = 'raised' | 'retracted';

/** An alert as REST and subscribers see it: ids, no names. */
export function toAlert(row: AlertRow): rest.Alert {
  const { id, kind, late, siteId, deviceId, cameraId, watchList, personId, sightingId, revision, score } = row;
  return {
    ...{
      id,
      kind,
      state: stateOf(row),
      raisedAt: row.raisedAt.toISOString(),
      occurredAt: row.occurredAt.toISOString(),
    },
    ...{ late, ageSeconds: Math.max(0, row.raisedAt.getTime() - row.occurredAt.getTime()) / 1000 },
    ...{ siteId, deviceId, cameraId, watchList, outcome: kind === 'watch-list' ? 'identified' : null },
    ...{ personId, sightingId, identificationId: sightingId === null ? null : `${sightingId}:${revision ?? 1}`, score },
    details: { ...row.details },
    ...{ retractedAt: row.retractedAt?.toISOString() ?? null, retraction: row.retraction },
    ...{ acknowledgedAt: row.acknowledgedAt?.toISOString() ?? null, acknowledgedBy: row.acknowledgedBy },
  };
}

function stateOf({ retractedAt, acknowledgedAt }: AlertRow): rest.AlertState {
  if (retractedAt !== null) return 'retracted';
  return acknowledgedAt === null ? 'open' : 'acknowledged';
}

/** What a subscriber is told of an alert. Its id is the same whenever it is told. */
export function messageOf(row: AlertRow, event: AlertEvent): rest.AlertMessage {
  const at = event === 'raised' ? row.raisedAt : (row.retractedAt ?? row.raisedAt);
  return {
    ...{ id: `${row.id}_${event}`, type: `alert.${event}`, timestamp: at.toISOString() },
    data: { tenantId: row.tenantId, alert: toAlert(row), identification: linkOf(row) },
  };
}

/** Where the decision is explained, below the address of this service. */
function linkOf({ sightingId, revision }: AlertRow): string | null {
  return sightingId === null ? null : `/v1/identifications/${sightingId}:${revision ?? 1}`;
}
