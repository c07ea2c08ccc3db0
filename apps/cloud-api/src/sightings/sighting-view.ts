import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { and, desc, eq, type SQL } from 'drizzle-orm';

import { ambiguousBetween } from '../identification/decision-record.js';
import { readNames } from '../identification/person-names.js';
import { identityColumns, type PersonalData } from '../personal-data/personal-data.js';
import { identification, person, sighting } from '../storage/schema.js';

export interface SightingRow {
  readonly sighting: typeof sighting.$inferSelect;
  readonly decision: typeof identification.$inferSelect;
  /** Of the person who was identified, if they are still enrolled. */
  readonly name: string | null;
  /** The two people of an ambiguous decision, as far as they are still enrolled. */
  readonly between: readonly { readonly id: string; readonly name: string }[];
}

/** Reads sightings with the decision about their current revision, newest first. */
export async function readSightings(
  { db }: Database,
  personalData: PersonalData,
  { where, limit }: { readonly where: SQL | undefined; readonly limit: number },
): Promise<SightingRow[]> {
  const rows = await db
    .select({ sighting, decision: identification, identity: identityColumns })
    .from(sighting)
    .innerJoin(
      identification,
      and(
        eq(identification.tenantId, sighting.tenantId),
        eq(identification.sightingId, sighting.id),
        eq(identification.revision, sighting.revision),
      ),
    )
    .leftJoin(person, and(eq(person.tenantId, identification.tenantId), eq(person.id, identification.personId)))
    .where(where)
    .orderBy(desc(sighting.firstSeenAt), desc(sighting.id))
    .limit(limit);
  const names = await personalData.openIdentities(rows.flatMap(({ identity }) => identity ?? []));
  const possible = await readNames({ db }, personalData, rows.flatMap(possiblePeople));
  return rows.map(({ identity, ...row }) => ({
    ...row,
    name: (identity && names.get(identity.id)?.name) ?? null,
    between: possiblePeople(row).flatMap(({ personId }) => {
      const name = possible.get(personId);
      return name === undefined ? [] : [{ id: personId, name }];
    }),
  }));
}

const possiblePeople = ({ decision }: Pick<SightingRow, 'decision'>) =>
  ambiguousBetween(decision).map((personId) => ({ tenantId: decision.tenantId, personId }));

/** A sighting as REST shows it. */
export function toSighting({ sighting: row, decision, name, between }: SightingRow): rest.Sighting {
  const { id, deviceId, siteId, cameraId, phase, revision, quality, liveScore } = row;
  const { frames, replayed, releaseDigest, latencyMs } = row;
  const { outcome, personId, score, threshold, falseMatchRate, refusalCode, identifyMs } = decision;
  return {
    ...{
      id,
      deviceId,
      siteId,
      cameraId,
      phase,
      revision,
      quality,
      liveScore,
      frames,
      replayed,
      releaseDigest,
      latencyMs,
    },
    firstSeenAt: row.firstSeenAt.toISOString(),
    lastSeenAt: row.lastSeenAt.toISOString(),
    receivedAt: row.receivedAt.toISOString(),
    decision: {
      ...{ outcome, score, threshold, falseMatchRate },
      person: personId !== null && name !== null ? { id: personId, name } : null,
      ambiguousBetween: [...between],
    },
    refusalCode,
    localDiffered: decision.localDiffered,
    stageMs: { ...row.stageMs, identify: identifyMs },
  };
}
