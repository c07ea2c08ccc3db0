import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, type TenantId } from '@sightline/kernel';
import { and, asc, desc, eq, gte, lt } from 'drizzle-orm';

import { chainHead } from './audit-chain.js';
import { emptyChain, hashOf, type ChainedEntry, type ChainHead } from './audit-entry.js';
import type { AuditTables } from './audit-tables.js';

/** Entries that one request verifies at most, and how many of them are held at once. */
const PART = 100_000;
const READ = 2_000;

type Broken = NonNullable<rest.AuditVerification['broken']>;

/** Reads the audit, and proves that it is whole. */
export class AuditViews {
  constructor(
    private readonly database: Pick<Database, 'db'>,
    private readonly tables: AuditTables,
  ) {}

  /** Newest first. */
  async list(tenantId: TenantId, query: rest.AuditQuery): Promise<rest.AuditPage> {
    const { limit, cursor, actor, action, subjectId, from, to } = query;
    const { entry } = this.tables;
    const rows = await this.database.db
      .select()
      .from(this.tables.entry)
      .where(
        and(
          eq(entry.tenantId, tenantId),
          cursor === undefined ? undefined : lt(entry.sequence, sequenceOf(cursor)),
          actor === undefined ? undefined : eq(entry.actor, actor),
          action === undefined ? undefined : eq(entry.action, action),
          subjectId === undefined ? undefined : eq(entry.subjectId, subjectId),
          from === undefined ? undefined : gte(entry.at, new Date(from)),
          to === undefined ? undefined : lt(entry.at, new Date(to)),
        ),
      )
      .orderBy(desc(entry.sequence))
      .limit(limit + 1);
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    return {
      items: shown.map(toEntry),
      nextCursor: rows.length > limit && last !== undefined ? String(last.sequence) : null,
    };
  }

  /** Where the chain ends: what to keep outside, so that its end cannot be cut off unnoticed. */
  async head(tenantId: TenantId): Promise<rest.AuditHead> {
    return toHead(await chainHead(this.database, this.tables, tenantId));
  }

  /**
   * Walks a part of the chain and names the first link that does not hold.
   *
   * @throws AppError `REQUEST.INVALID` when the part begins behind the chain's end
   */
  async verify(tenantId: TenantId, query: rest.AuditVerifyQuery): Promise<rest.AuditVerification> {
    // Read before the entries: what is appended meanwhile lies behind it.
    const head = await chainHead(this.database, this.tables, tenantId);
    if (query.from > head.sequence + 1) {
      throw new AppError('REQUEST.INVALID', 'The chain does not reach that far.');
    }
    const end = Math.min(head.sequence, query.from + PART - 1);
    const { last, broken } = await this.#walk(tenantId, query, end);
    const verified = last.sequence - query.from + 1;
    const found = broken ?? endOf(last, head, end) ?? (await this.#lost(tenantId, query, head));
    const next = found === undefined && end < head.sequence ? end + 1 : null;
    return { verified, next, head: toHead(head), broken: found ?? null };
  }

  /** @returns the last entry that holds, and what is wrong with the next */
  async #walk(
    tenantId: TenantId,
    query: rest.AuditVerifyQuery,
    end: number,
  ): Promise<{ last: ChainHead; broken?: Broken }> {
    let last = await this.#before(tenantId, query.from);
    while (last.sequence < end) {
      const rows = await this.#read(tenantId, last.sequence + 1, Math.min(end, last.sequence + READ));
      if (rows.length === 0) return { last, broken: { sequence: last.sequence + 1, reason: 'missing' } };
      for (const row of rows) {
        const reason = wrongWith(row, last, query);
        if (reason !== undefined) return { last, broken: { sequence: last.sequence + 1, reason } };
        last = row;
      }
    }
    return { last };
  }

  /** The entry before a part: a part that begins later is only as good as the parts before it. */
  async #before(tenantId: TenantId, from: number): Promise<ChainHead> {
    if (from === 1) return emptyChain;
    const [row] = await this.#read(tenantId, from - 1, from - 1);
    return row ?? { ...emptyChain, sequence: from - 1 };
  }

  #read(tenantId: TenantId, from: number, to: number): Promise<ChainedEntry[]> {
    const { entry } = this.tables;
    return this.database.db
      .select()
      .from(this.tables.entry)
      .where(and(eq(entry.tenantId, tenantId), gte(entry.sequence, from), lt(entry.sequence, to + 1)))
      .orderBy(asc(entry.sequence));
  }

  /** An anchor behind the end says that entries were cut off; one before the part is looked at by itself. */
  async #lost(tenantId: TenantId, query: rest.AuditVerifyQuery, head: ChainHead): Promise<Broken | undefined> {
    const { anchorSequence, anchorHash } = query;
    if (anchorSequence === undefined) return undefined;
    const broken: Broken = { sequence: anchorSequence, reason: 'anchor' };
    if (anchorSequence > head.sequence) return broken;
    if (anchorSequence >= query.from) return undefined;
    const [row] = await this.#read(tenantId, anchorSequence, anchorSequence);
    return row !== undefined && hex(row.hash) === anchorHash ? undefined : broken;
  }
}

function wrongWith(row: ChainedEntry, last: ChainHead, query: rest.AuditVerifyQuery): Broken['reason'] | undefined {
  if (row.sequence !== last.sequence + 1) return 'missing';
  if (hex(row.previousHash) !== hex(last.hash)) return 'unlinked';
  if (hex(hashOf(row)) !== hex(row.hash)) return 'changed';
  return row.sequence === query.anchorSequence && hex(row.hash) !== query.anchorHash ? 'anchor' : undefined;
}

/** The last entry is what the head says, once the walk got there. */
function endOf(last: ChainHead, head: ChainHead, end: number): Broken | undefined {
  const isEnd = end === head.sequence && last.sequence === end && end > 0;
  return isEnd && hex(last.hash) !== hex(head.hash) ? { sequence: end, reason: 'head' } : undefined;
}

/** @throws AppError `REQUEST.INVALID` for a cursor that we did not make */
function sequenceOf(cursor: string): number {
  if (!/^[1-9]\d{0,14}$/.test(cursor)) throw new AppError('REQUEST.INVALID', 'The cursor is not one of ours.');
  return Number(cursor);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const toHead = ({ sequence, hash }: ChainHead): rest.AuditHead => ({ sequence, hash: hex(hash) });

function toEntry({ sequence, at, actor, action, outcome, ...row }: ChainedEntry): rest.AuditEntry {
  const { subjectKind, subjectId, purpose } = row;
  return {
    ...{ sequence, at: at.toISOString(), actor, action, subjectKind, subjectId, purpose, outcome },
    ...{ previousHash: hex(row.previousHash), hash: hex(row.hash) },
  };
}
