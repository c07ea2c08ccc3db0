import type { rest } from '@sightline/contracts';
import { type Database, inTransaction, type Transaction } from '@sightline/database';
import { AppError, type Clock, type TenantId } from '@sightline/kernel';
import type { FalseMatchTarget } from '@sightline/matching';
import { Inject, Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { tenant } from '../storage/access-schema.js';
import { decisionPolicy } from '../storage/decision-schema.js';
import { noPolicy, retentionOf, rulesOfUse, type StoredPolicy, type TenantPolicy } from './decision-policy.js';

/** How long a policy that was read is taken for the present one, ms: so late another process hears of a change. */
const FRESH_MS = 2000;
/** FPIR of a search where nothing else is configured. */
const FALSE_POSITIVE_RATE = 0.01;

/** How the tenants want their decisions to be made. */
@Injectable()
export class DecisionPolicies {
  readonly #read = new Map<TenantId, { readonly atMs: number; readonly policy: Promise<TenantPolicy> }>();
  /** What holds where a tenant says nothing. */
  readonly target: FalseMatchTarget;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) { falseMatchRate, falsePositiveRate }: Pick<CloudApiConfig, 'falseMatchRate' | 'falsePositiveRate'>,
    private readonly audit: Audit,
  ) {
    this.target = { falseMatchRate, falsePositiveRate: falsePositiveRate ?? FALSE_POSITIVE_RATE };
  }

  /** A tenant's policy, as it was at most two seconds ago. */
  of(tenantId: TenantId): Promise<TenantPolicy> {
    const atMs = this.clock.monotonicMs();
    const known = this.#read.get(tenantId);
    if (known !== undefined && atMs - known.atMs < FRESH_MS) return known.policy;
    const policy = this.#load(tenantId);
    this.#read.set(tenantId, { atMs, policy });
    policy.catch(() => this.#read.delete(tenantId));
    return policy;
  }

  /** As REST shows it. */
  async show(tenantId: TenantId): Promise<rest.DecisionPolicy> {
    return this.#toRest(await this.#load(tenantId));
  }

  /**
   * Replaces a tenant's policy.
   *
   * @throws AppError `DECISION_POLICY.CONFLICT` when it is not the version that the client has seen
   */
  async replace(
    tenantId: TenantId,
    { version: expected, ...policy }: { readonly version?: number | undefined } & StoredPolicy,
  ): Promise<rest.DecisionPolicy> {
    const stored = await this.change(tenantId, ({ version: last }) => {
      if (expected !== undefined && expected !== last) {
        throw new AppError('DECISION_POLICY.CONFLICT', `The policy is at version ${last}, not ${expected}.`, {
          details: { version: last },
        });
      }
      return Promise.resolve(policy);
    });
    return this.#toRest(stored);
  }

  /**
   * Makes the next version of a tenant's policy from the one that there is, together with whatever else the change does
   * in its transaction.
   */
  async change(
    tenantId: TenantId,
    next: (before: TenantPolicy, tx: Transaction) => Promise<StoredPolicy>,
  ): Promise<TenantPolicy> {
    const changedAt = new Date(this.clock.wallMs());
    const stored = await inTransaction(this.database, async (tx) => {
      // One after another, also where there is no policy yet.
      await tx.select({ id: tenant.id }).from(tenant).where(eq(tenant.id, tenantId)).for('no key update');
      const before = await readPolicy(tx, tenantId);
      const row = { version: before.version + 1, policy: await next(before, tx), changedAt };
      await tx
        .insert(decisionPolicy)
        .values({ tenantId, ...row })
        .onConflictDoUpdate({ target: decisionPolicy.tenantId, set: row });
      const subject = { kind: 'decision-policy', id: String(row.version) };
      await this.audit.record(tx, { tenantId, action: 'decision-policy.changed', subject });
      return row;
    });
    this.#read.delete(tenantId);
    return stored;
  }

  #load(tenantId: TenantId): Promise<TenantPolicy> {
    return readPolicy(this.database.db, tenantId);
  }

  #toRest(stored: TenantPolicy): rest.DecisionPolicy {
    const { version, changedAt, policy } = stored;
    const rulesOf = (use: rest.DecisionUse) => rulesOfUse(policy, use, this.target);
    return {
      version,
      changedAt: changedAt?.toISOString() ?? null,
      ...policy,
      effective: {
        general: rulesOf('general'),
        access: rulesOf('access'),
        attendance: rulesOf('attendance'),
        'watch-list': rulesOf('watch-list'),
        'photo-search': rulesOf('photo-search'),
      },
      effectiveRetention: retentionOf(stored),
    };
  }
}

async function readPolicy(db: Transaction | Database['db'], tenantId: TenantId): Promise<TenantPolicy> {
  const [row] = await db.select().from(decisionPolicy).where(eq(decisionPolicy.tenantId, tenantId));
  // What was stored before there were recalibrations has none.
  return row === undefined ? noPolicy : { ...row, policy: { ...noPolicy.policy, ...row.policy } };
}
