import { randomUUID } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import type { PersonId, SightingId, TenantId } from '@sightline/kernel';

import { toAlert } from './alert-view.js';

const NOBODY = '00000000-0000-4000-8000-000000000000';

/** A message that looks like an alert, about nobody: its id is new each time. */
export function testMessage(tenantId: TenantId, now: Date): rest.AlertMessage {
  const alert = toAlert({
    ...{ tenantId, id: NOBODY, kind: 'watch-list', dedupeKey: 'test', raisedAt: now, occurredAt: now, late: false },
    ...{ siteId: 'test', deviceId: null, cameraId: 'test', watchList: 'test', score: 1, revision: 1, details: {} },
    ...{ personId: NOBODY as PersonId, sightingId: NOBODY as SightingId, retractedAt: null, retraction: null },
    ...{ acknowledgedAt: null, acknowledgedBy: null, raisedDispatchedAt: null, retractedDispatchedAt: null },
  });
  return {
    ...{ id: `${randomUUID()}_test`, type: 'alert.test', timestamp: now.toISOString() },
    data: { tenantId, alert, identification: null },
  };
}
