import { randomUUID } from 'node:crypto';

import { type Database, inChunks } from '@sightline/database';
import type { Gallery } from '@sightline/gallery';
import type { Clock, PersonId, TenantId } from '@sightline/kernel';
import type { OperatingPoint } from '@sightline/matching';
import type { Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, inArray, isNull, sql } from 'drizzle-orm';

import { CLOCK, DATABASE, GALLERY } from '../platform/tokens.js';
import { Releases } from '../releases/releases.js';
import type { duplicatePair } from '../storage/people-schema.js';
import { person } from '../storage/schema.js';

/** People that are looked at for each template: its own person is one of them. */
const NEAREST = 8;

/** A template with whose it is. */
export interface OwnTemplate {
  readonly personId: PersonId;
  readonly template: Template;
}

/** Somebody as near as one and the same person. */
export interface NearPerson {
  readonly personId: PersonId;
  /** Cosine of the nearest templates. */
  readonly score: number;
}

/** Finds people who may be one and the same, and keeps them as pairs. */
@Injectable()
export class NearPeople {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(GALLERY) private readonly gallery: Gallery,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly releases: Releases,
  ) {}

  /**
   * How near two people have to be: the strictest false-match rate that the active release was measured at. Of a gallery
   * of n people n · (n - 1) / 2 pairs are compared, so that a laxer one would find mostly strangers.
   *
   * @throws AppError `RELEASE.UNAVAILABLE`
   */
  bar(): OperatingPoint {
    const { points } = this.releases.current().manifest.calibration;
    return points.reduce((strictest, point) => (point.falseMatchRate < strictest.falseMatchRate ? point : strictest));
  }

  /**
   * Looks up templates among all others, and keeps the pairs that are found.
   *
   * @returns for each template the other people beyond the bar, nearest first
   */
  async find(
    tenantId: TenantId,
    templates: readonly OwnTemplate[],
    signal?: AbortSignal,
  ): Promise<readonly (readonly NearPerson[])[]> {
    const bar = this.bar();
    const probes = templates.map(({ template }) => template);
    const found = await this.gallery.search(probes, { limit: NEAREST, ...(signal && { signal }) });
    const near = found.map((candidates, index) =>
      candidates.filter(({ personId, score }) => personId !== templates[index]?.personId && score >= bar.threshold),
    );
    const present = await this.#present(tenantId, [
      ...templates.map(({ personId }) => personId),
      ...near.flat().map(({ personId }) => personId),
    ]);
    const known = near.map((candidates) => candidates.filter(({ personId }) => present.has(personId)));
    const pairs = templates.flatMap(({ personId }, index) =>
      present.has(personId) ? (known[index] ?? []).map((other) => pairOf(personId, other)) : [],
    );
    await this.#keep(tenantId, pairs, bar);
    return known;
  }

  async #present(tenantId: TenantId, ids: readonly PersonId[]): Promise<ReadonlySet<PersonId>> {
    const rows = await inChunks([...new Set(ids)], (chunk) =>
      this.database.db
        .select({ id: person.id })
        .from(person)
        .where(and(eq(person.tenantId, tenantId), inArray(person.id, chunk), isNull(person.mergedInto))),
    );
    return new Set(rows.map(({ id }) => id));
  }

  async #keep(tenantId: TenantId, pairs: readonly Pair[], bar: OperatingPoint): Promise<void> {
    if (pairs.length === 0) return;
    const now = new Date(this.clock.wallMs());
    const best = new Map<string, Pair>();
    for (const pair of pairs) {
      const key = `${pair.personId}/${pair.otherPersonId}`;
      if ((best.get(key)?.score ?? -1) < pair.score) best.set(key, pair);
    }
    // In one order, so that no two searches wait for each other's rows; whoever was erased meanwhile is left out.
    const rows = [...best.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair);
    for (const pair of rows) {
      await this.database.db.execute(sql`
        INSERT INTO cloud.duplicate_pair
          (tenant_id, id, person_id, other_person_id, score, threshold, false_match_rate, found_at, seen_at)
        SELECT ${tenantId}, ${randomUUID()}::uuid, one.id, other.id, ${pair.score}::float8,
          ${bar.threshold}::float8, ${bar.falseMatchRate}::float8, ${now}::timestamptz, ${now}::timestamptz
        FROM cloud.person one, cloud.person other
        WHERE one.tenant_id = ${tenantId} AND one.id = ${pair.personId}
          AND other.tenant_id = ${tenantId} AND other.id = ${pair.otherPersonId}
        FOR KEY SHARE
        ON CONFLICT (tenant_id, person_id, other_person_id) DO UPDATE
          SET score = excluded.score, threshold = excluded.threshold, false_match_rate = excluded.false_match_rate,
            seen_at = excluded.seen_at`);
    }
  }
}

type Pair = Pick<typeof duplicatePair.$inferSelect, 'personId' | 'otherPersonId' | 'score'>;

const pairOf = (one: PersonId, { personId: other, score }: NearPerson): Pair =>
  one < other ? { personId: one, otherPersonId: other, score } : { personId: other, otherPersonId: one, score };
