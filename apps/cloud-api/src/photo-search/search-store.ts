import { randomUUID } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { type Database, inTransaction } from '@sightline/database';
import { AppError, isUuid, type Clock, type SightingId, type TenantId } from '@sightline/kernel';
import { createSealer, type Sealer } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, desc, eq, gt, inArray, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import type { CloudApiConfig } from '../config.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { readSightings, toSighting } from '../sightings/sighting-view.js';
import { unnest } from '../storage/unnest.js';
import { search, searchHit } from '../storage/search-schema.js';
import { sighting } from '../storage/schema.js';
import type { Scored } from './best-scores.js';

const HOUR_MS = 3_600_000;
/** How long the sightings that a search found can be paged through. */
const RESULTS_MS = HOUR_MS;
/** How long it is kept who searched, and what for. */
const KEPT_MS = 365 * 24 * HOUR_MS;

type SearchRow = typeof search.$inferSelect;
type NewSearch = Pick<SearchRow, 'tenantId' | 'actor' | 'purpose' | 'searchedWith'> & { readonly reason: string };

export interface SearchKey {
  readonly tenantId: TenantId;
  readonly id: string;
}

/** Who searched for whom is not kept: who searched, what for, and what came of it in numbers is. */
@Injectable()
export class SearchStore {
  readonly #sealer: Sealer;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) { keyEncryptionKey }: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    private readonly personalData: PersonalData,
    private readonly audit: Audit,
  ) {
    this.#sealer = createSealer(keyEncryptionKey, 'search-reason');
  }

  /** Writes down that a search begins, in the audit too: there is none that nobody knows of. */
  async begin({ reason, ...given }: NewSearch): Promise<SearchRow> {
    const now = this.clock.wallMs();
    const { tenantId, actor, purpose } = given;
    const id = randomUUID();
    const row: SearchRow = {
      ...{ ...given, id, state: 'running', facts: null },
      sealedReason: this.#sealer.seal(Buffer.from(reason, 'utf8'), contextOf({ tenantId, id })),
      searchedAt: new Date(now),
      resultsUntil: new Date(now + RESULTS_MS),
      expiresAt: new Date(now + KEPT_MS),
    };
    await inTransaction(this.database, async (tx) => {
      await tx.insert(search).values(row);
      await this.audit.record(tx, { tenantId, actor, action: 'search.run', purpose, subject: { kind: 'search', id } });
    });
    return row;
  }

  /** Keeps what was found, as far as its probes are still there. */
  async finish(row: SearchRow, facts: rest.SearchFacts, best: readonly Scored<SightingId>[]): Promise<SearchRow> {
    const { tenantId, id, resultsUntil } = row;
    const found = unnest([
      ['integer', best.map((_, index) => index + 1)],
      ['uuid', best.map(({ item }) => item)],
      ['double precision', best.map(({ score }) => score)],
    ]);
    await inTransaction(this.database, async (tx) => {
      await tx.execute(sql`
        INSERT INTO cloud.search_hit (tenant_id, search_id, place, sighting_id, score, expires_at)
        SELECT kept.tenant_id, ${id}::uuid, place, kept.sighting_id, score, ${resultsUntil.toISOString()}::timestamptz
        FROM ${found} AS hit (place, sighting_id, score)
        JOIN cloud.kept_probe kept ON kept.tenant_id = ${tenantId} AND kept.sighting_id = hit.sighting_id
        ORDER BY kept.sighting_id FOR KEY SHARE OF kept`);
      await tx.update(search).set({ state: 'done', facts }).where(isSearch({ tenantId, id }));
    });
    return { ...row, state: 'done', facts };
  }

  async fail({ tenantId, id }: SearchKey): Promise<void> {
    await this.database.db
      .update(search)
      .set({ state: 'failed' })
      .where(and(isSearch({ tenantId, id }), eq(search.state, 'running')));
  }

  /** @throws AppError `SEARCH.NOT_FOUND` */
  async get(key: SearchKey): Promise<rest.Search> {
    const [row] = await this.database.db.select().from(search).where(isSearch(key));
    if (row === undefined) throw new AppError('SEARCH.NOT_FOUND', 'There is no search with this id.');
    return this.view(row);
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.SearchPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { searchedAt, id } = search;
    const rows = await this.database.db
      .select()
      .from(search)
      .where(
        and(
          eq(search.tenantId, tenantId),
          after && sql`(${searchedAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(searchedAt), desc(id))
      .limit(limit + 1);
    return toPage(rows, limit, {
      item: (row) => this.view(row),
      cursor: (row) => ({ time: row.searchedAt, id: row.id }),
    });
  }

  /** Best first. */
  async sightings(
    { tenantId, id }: SearchKey,
    { limit, after }: rest.FoundSightingQuery,
  ): Promise<rest.FoundSightingPage> {
    const hits = await this.database.db
      .select()
      .from(searchHit)
      .where(
        and(
          ...[eq(searchHit.tenantId, tenantId), eq(searchHit.searchId, id), gt(searchHit.place, after)],
          gt(searchHit.expiresAt, new Date(this.clock.wallMs())),
        ),
      )
      .orderBy(asc(searchHit.place))
      .limit(limit + 1);
    const shown = hits.slice(0, limit);
    const rows = await this.#sightings(
      tenantId,
      shown.map(({ sightingId }) => sightingId),
    );
    return {
      items: shown.flatMap(({ sightingId, score }) => {
        const found = rows.get(sightingId);
        return found === undefined ? [] : [{ score, sighting: found }];
      }),
      nextAfter: hits.length > limit ? (shown.at(-1)?.place ?? null) : null,
    };
  }

  async #sightings(tenantId: TenantId, ids: readonly SightingId[]): Promise<ReadonlyMap<SightingId, rest.Sighting>> {
    if (ids.length === 0) return new Map();
    const where = and(eq(sighting.tenantId, tenantId), inArray(sighting.id, [...ids]));
    const rows = await readSightings(this.database, this.personalData, { where, limit: ids.length });
    return new Map(rows.map((row) => [row.sighting.id, toSighting(row)]));
  }

  /** As REST shows it. */
  view(row: SearchRow): rest.Search {
    const { id, actor, purpose, state, facts } = row;
    return {
      ...{ id, actor, purpose, facts },
      // One whose process died never came to its end.
      state: state === 'running' && row.resultsUntil.getTime() < this.clock.wallMs() ? 'failed' : state,
      with: row.searchedWith,
      reason: Buffer.from(this.#sealer.open(row.sealedReason, contextOf(row))).toString('utf8'),
      searchedAt: row.searchedAt.toISOString(),
      resultsUntil: row.resultsUntil.toISOString(),
    };
  }
}

const contextOf = ({ tenantId, id }: SearchKey): string => `${tenantId}/${id}`;
const isSearch = ({ tenantId, id }: SearchKey) => and(eq(search.tenantId, tenantId), eq(search.id, id));
