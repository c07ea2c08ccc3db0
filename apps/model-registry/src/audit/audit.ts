import { inTransaction, type Database, type Transaction } from '@sightline/database';
import type { Clock } from '@sightline/kernel';
import { appendToChain, auditTables, type AuditAction, type RequestCaller } from '@sightline/rest-server';

/** Where the registry's entries lie. */
export const registryAudit = auditTables('registry');

/** What was changed, in one word of the registry's own and an id. */
export interface AuditedChange {
  readonly action: AuditAction;
  readonly subject?: { readonly kind: string; readonly id: string } | undefined;
}

/** Writes down every change of models, releases, rollouts and keys, in the transaction that makes it. */
export class Audit {
  readonly #database: Pick<Database, 'pool'>;
  readonly #clock: Pick<Clock, 'wallMs'>;

  constructor(database: Pick<Database, 'pool'>, clock: Pick<Clock, 'wallMs'>) {
    this.#database = database;
    this.#clock = clock;
  }

  /**
   * Records a change within its own transaction: neither is there without the other. Call it as the last statement, since
   * other changes of the tenant wait for the transaction's end from here on.
   *
   * @throws AppError `AUDIT.INVALID`
   */
  record(
    tx: Transaction,
    { tenantId, actor }: Pick<RequestCaller, 'tenantId' | 'actor'>,
    change: AuditedChange,
  ): Promise<void> {
    const at = new Date(Math.floor(this.#clock.wallMs()));
    return appendToChain(tx, registryAudit, [{ tenantId, actor, ...change }], at);
  }

  /** Makes a change and its entry in one transaction. */
  change<T>(
    caller: Pick<RequestCaller, 'tenantId' | 'actor'>,
    change: AuditedChange,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T> {
    return inTransaction(this.#database, async (tx) => {
      const result = await work(tx);
      await this.record(tx, caller, change);
      return result;
    });
  }
}
