import type { rest } from '@sightline/contracts';
import { type Database, inTransaction, type Transaction } from '@sightline/database';
import { AppError, isUuid, type Clock, type PersonId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, desc, eq, inArray, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { recordErasure } from '../edge-caches/erasures.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { forgetPerson } from '../identification/forget-person.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import { lockPerson, peopleMergedInto } from '../people/person-store.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { erasure } from '../storage/edge-cache-schema.js';
import { person, template } from '../storage/schema.js';
import { isErasure, type ErasureKey } from './erasure-rows.js';
import { ErasureSteps } from './erasure-steps.js';

/** Who is asked to be forgotten, by whom. */
export interface ErasureRequest {
  readonly tenantId: TenantId;
  readonly personId: PersonId;
  /** Default: who makes the request under way. */
  readonly actor?: string;
}

/**
 * Erases people: their rows in one transaction, and from then on step by step whatever else knows them, until everybody
 * has confirmed (see {@link ErasureSteps}).
 */
@Injectable()
export class Erasures {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly follower: GalleryFollower,
    private readonly audit: Audit,
    private readonly steps: ErasureSteps,
  ) {}

  /**
   * Removes a person, those who were merged into them, and their templates; sightings stay without a name. Resolves
   * once this process's gallery finds them no more and their key is destroyed; boxes confirm later.
   *
   * @returns the erasure's id, which is random
   * @throws AppError `PERSON.NOT_FOUND`, `PERSON.MERGED`
   */
  async erase(request: ErasureRequest): Promise<string> {
    const { tenantId } = request;
    const { ids, version } = await inTransaction(this.database, (tx) => this.#eraseRows(tx, request));
    const [id = '', ...parts] = ids;
    await this.follower.passed(version);
    for (const part of parts) await this.steps.advance({ tenantId, id: part });
    await this.steps.advance({ tenantId, id });
    return id;
  }

  /** @throws AppError `ERASURE.NOT_FOUND` */
  async proof(key: ErasureKey): Promise<rest.ErasureProof> {
    const [row] = await this.database.db.select().from(erasure).where(isErasure(key));
    if (row === undefined) throw new AppError('ERASURE.NOT_FOUND', 'There is no erasure with this id.');
    if (row.proof !== null) return JSON.parse(row.proof) as rest.ErasureProof;
    return this.steps.signed(await this.steps.statement(this.database.db, row, null));
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.ErasurePage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { id, erasedAt, completedAt } = erasure;
    const rows = await this.database.db
      .select({
        ...{ id, erasedAt, completedAt },
        outstandingDevices: sql<number>`(SELECT count(*)::int FROM cloud.edge_cache_erasure box
          WHERE box.tenant_id = cloud.erasure.tenant_id AND box.erasure_id = cloud.erasure.id
            AND box.confirmed_at IS NULL)`,
      })
      .from(erasure)
      .where(
        and(
          eq(erasure.tenantId, tenantId),
          after && sql`(${erasedAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(erasedAt), desc(id))
      .limit(limit + 1);
    return toPage(rows, limit, {
      item: (row) => ({
        ...{ id: row.id, requestedAt: row.erasedAt.toISOString(), outstandingDevices: row.outstandingDevices },
        ...{ complete: row.completedAt !== null, completedAt: row.completedAt?.toISOString() ?? null },
      }),
      cursor: (row) => ({ time: row.erasedAt, id: row.id }),
    });
  }

  async #eraseRows(tx: Transaction, { tenantId, personId, actor }: ErasureRequest) {
    // Waits for enrolments of this person that are under way, so that their templates are seen below.
    await lockPerson(tx, { tenantId, personId }, 'update');
    const people = [personId, ...(await peopleMergedInto(tx, tenantId, personId))];
    const erasedAt = new Date(this.clock.wallMs());
    const ids: string[] = [];
    let version = 0;
    for (const id of people) {
      const own = and(eq(template.tenantId, tenantId), eq(template.personId, id));
      const removed = await tx.select({ templateId: template.id }).from(template).where(own).orderBy(asc(template.id));
      const erasureId = await recordErasure(tx, { tenantId, personId: id, erasedAt, partOf: ids[0] });
      ids.push(erasureId);
      await forgetPerson(tx, tenantId, id);
      const changes = removed.map(({ templateId }) => ({ tenantId, kind: 'remove' as const, templateId }));
      version = await recordGalleryChanges(tx, changes, erasedAt);
      const feed = { feedFirst: version - changes.length + 1, feedLast: version };
      if (changes.length > 0)
        await tx
          .update(erasure)
          .set(feed)
          .where(isErasure({ tenantId, id: erasureId }));
    }
    await tx.delete(person).where(and(eq(person.tenantId, tenantId), inArray(person.id, people)));
    // The erasure's id alone: the entry says that somebody was erased, and not who.
    const subject = { kind: 'erasure', id: ids[0] ?? '' };
    await this.audit.record(tx, {
      tenantId,
      action: 'erasure.request',
      subject,
      ...(actor !== undefined && { actor }),
    });
    return { ids, version };
  }
}
