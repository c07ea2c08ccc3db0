import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, type Clock, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';

import { GroupCommit } from '../ingest/group-commit.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { auditEntry, auditHead } from '../storage/audit-schema.js';
import { inChunks } from '../storage/chunks.js';
import { Acting } from './acting.js';
import { chained, emptyChain, type AuditEntry, type ChainHead, type ChainedEntry } from './audit-entry.js';

type NamedEntry = AuditEntry & { readonly actor: string };
type Appended = { readonly stored: true } | { readonly stored: false; readonly error: unknown };

const headColumns = { sequence: auditHead.sequence, hash: auditHead.hash };
/** Entries of one transaction at most. */
const LARGEST = 200;

/**
 * Writes the audit: one chain of entries for each tenant.
 *
 * Invariant: whoever appends holds the tenant's head until the transaction ends, so that a chain never forks and has no
 * gap. Changes of a tenant therefore follow one another from their entry to their commit: record last.
 */
@Injectable()
export class Audit {
  readonly #appends = new GroupCommit<NamedEntry, Appended>({
    largest: LARGEST,
    commit: (entries) => this.#commit(entries),
    isolate: (_, error) => Promise.resolve({ stored: false, error }),
  });

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly acting: Acting,
  ) {}

  /**
   * Records a change within its own transaction: neither is there without the other. Call it as the transaction's last
   * statement, since other changes of the tenant wait for its end from here on.
   *
   * @throws AppError `AUDIT.INVALID`
   */
  async record(tx: Transaction, ...entries: readonly AuditEntry[]): Promise<void> {
    await this.#append(
      tx,
      entries.map((entry) => this.#named(entry)),
    );
  }

  /**
   * Records a reading before its answer leaves: resolves once the entry is committed. Readings that come meanwhile share
   * the next transaction.
   *
   * @throws AppError `AUDIT.INVALID`, `DATABASE.UNAVAILABLE`
   */
  async append(entry: AuditEntry): Promise<void> {
    const appended = await this.#appends.add(this.#named(entry));
    if (!appended.stored) throw appended.error;
  }

  /** Where a tenant's chain ends now. */
  async head(tenantId: TenantId): Promise<ChainHead> {
    const [row] = await this.database.db.select(headColumns).from(auditHead).where(eq(auditHead.tenantId, tenantId));
    return row ?? emptyChain;
  }

  #named(entry: AuditEntry): NamedEntry {
    const actor = entry.actor ?? this.acting.actor;
    if (actor === undefined) throw new AppError('AUDIT.INVALID', 'Nobody acts.', { details: { action: entry.action } });
    const named = { ...entry, actor };
    // Refused here, where it is asked for, and not together with the others of its group.
    chained(emptyChain, named, new Date(0));
    return named;
  }

  async #commit(entries: readonly NamedEntry[]): Promise<Appended[]> {
    try {
      await inTransaction(this.database, (tx) => this.#append(tx, entries));
      return entries.map(() => ({ stored: true }));
    } catch (error) {
      return entries.map(() => ({ stored: false, error }));
    }
  }

  async #append(tx: Transaction, entries: readonly NamedEntry[]): Promise<void> {
    const byTenant = new Map<TenantId, NamedEntry[]>();
    for (const entry of entries) byTenant.set(entry.tenantId, [...(byTenant.get(entry.tenantId) ?? []), entry]);
    // One order for everybody, so that two groups never wait for each other.
    for (const tenantId of [...byTenant.keys()].sort()) {
      await this.#appendTo(tx, tenantId, byTenant.get(tenantId) ?? []);
    }
  }

  async #appendTo(tx: Transaction, tenantId: TenantId, entries: readonly NamedEntry[]): Promise<void> {
    const rows: ChainedEntry[] = [];
    let head = await lockedHead(tx, tenantId);
    const at = new Date(Math.floor(this.clock.wallMs()));
    for (const entry of entries) {
      const next = chained(head, entry, at);
      rows.push(next);
      head = next;
    }
    await inChunks(rows, (chunk) => tx.insert(auditEntry).values(chunk).returning({ sequence: auditEntry.sequence }));
    const { sequence, hash } = head;
    await tx.update(auditHead).set({ sequence, hash }).where(eq(auditHead.tenantId, tenantId));
  }
}

/** The end of a chain, which nobody else moves until the transaction ends. */
async function lockedHead(tx: Transaction, tenantId: TenantId): Promise<ChainHead> {
  const [head] = await tx
    .insert(auditHead)
    .values({ tenantId, ...emptyChain })
    // An update that changes nothing: it locks the row that is there, and returns it.
    .onConflictDoUpdate({ target: auditHead.tenantId, set: { tenantId } })
    .returning(headColumns);
  return head ?? emptyChain;
}
