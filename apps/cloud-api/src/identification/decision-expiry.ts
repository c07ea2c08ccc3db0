import type { Database } from '@sightline/database';
import { defineTrigger, type Jobs } from '@sightline/jobs';
import type { Clock } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { sql, type SQL } from 'drizzle-orm';

import { CLOCK, DATABASE, JOBS } from '../platform/tokens.js';

/** How late a template that has expired is deleted at most, ms; from its expiry on it is not used. */
const EVERY_MS = 600_000;
/** Rows of one statement: it holds its locks for milliseconds. */
const ROWS = 1000;
const expiry = defineTrigger('decision-expiry');
/** A labelled set keeps the probes of its members, for evaluations alone, until it expires or is deleted. */
const IS_IN_NO_SET = sql`NOT EXISTS (
  SELECT FROM cloud.labelled_set_member member
  WHERE member.tenant_id = kept_probe.tenant_id AND member.sighting_id = kept_probe.sighting_id)`;

/** Deletes kept probes that no labelled set holds, hard negatives, searches, and strangers' sightings, once expired. */
@Injectable()
export class DecisionExpiry {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(JOBS) jobs: Jobs,
  ) {
    jobs.handle(expiry, async ({ signal }) => {
      await this.expire(signal);
    });
    jobs.schedule(expiry, { everyMs: EVERY_MS });
  }

  /**
   * Deletes what has expired, some rows at a time.
   *
   * @returns how many rows there were
   */
  async expire(signal?: AbortSignal): Promise<number> {
    let deleted = await this.#delete(sql`cloud.kept_probe`, IS_IN_NO_SET, signal);
    for (const table of ['stranger_sighting', 'hard_negative', 'search_hit', 'search']) {
      deleted += await this.#delete(sql`cloud.${sql.identifier(table)}`, sql`true`, signal);
    }
    return deleted;
  }

  async #delete(table: SQL, condition: SQL, signal: AbortSignal | undefined): Promise<number> {
    const now = new Date(this.clock.wallMs()).toISOString();
    let deleted = 0;
    let last: number;
    do {
      signal?.throwIfAborted();
      const { rowCount } = await this.database.db.execute(sql`
        DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM ${table} WHERE expires_at <= ${now}::timestamptz AND ${condition}
          ORDER BY expires_at LIMIT ${ROWS}
          FOR UPDATE SKIP LOCKED
        ))`);
      last = rowCount ?? 0;
      deleted += last;
    } while (last === ROWS);
    return deleted;
  }
}
