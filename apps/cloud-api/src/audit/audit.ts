import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, type Clock, type TenantId } from '@sightline/kernel';
import {
  appendToChain,
  auditTables,
  chained,
  chainHead,
  emptyChain,
  type AuditEntry,
  type ChainHead,
} from '@sightline/rest-server';
import { Inject, Injectable } from '@nestjs/common';

import { GroupCommit } from '../ingest/group-commit.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { Acting } from './acting.js';

type NamedEntry = AuditEntry & { readonly actor: string };
type Appended = { readonly stored: true } | { readonly stored: false; readonly error: unknown };

/** Where the entries of cloud-api lie. */
export const cloudAudit = auditTables('cloud');
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
  head(tenantId: TenantId): Promise<ChainHead> {
    return chainHead(this.database, cloudAudit, tenantId);
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

  #append(tx: Transaction, entries: readonly NamedEntry[]): Promise<void> {
    return appendToChain(tx, cloudAudit, entries, new Date(Math.floor(this.clock.wallMs())));
  }
}
