import type { rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, isUuid, type Clock, type TenantId } from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { decodeCursor, toPage } from '../http/page-cursor.js';
import { DecisionPolicies } from '../identification/decision-policies.js';
import type { StoredPolicy } from '../identification/decision-policy.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { retrainingProposal, siteEvaluation } from '../storage/retraining-schema.js';

type ProposalRow = typeof retrainingProposal.$inferSelect;
type Decided = 'accepted' | 'reverted' | 'dismissed';

interface Shown {
  readonly proposal: ProposalRow;
  readonly figures: rest.EvaluationFigures | null;
}

/** What evaluations have come to, and what admins decide about it. */
@Injectable()
export class Proposals {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly decisionPolicies: DecisionPolicies,
    private readonly audit: Audit,
  ) {}

  /** Newest first. */
  async list(
    tenantId: TenantId,
    { limit, cursor, state, siteId }: rest.RetrainingProposalQuery,
  ): Promise<rest.RetrainingProposalPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { createdAt, id } = retrainingProposal;
    const rows = await this.#read()
      .where(
        and(
          eq(retrainingProposal.tenantId, tenantId),
          state && eq(retrainingProposal.state, state),
          siteId === undefined ? undefined : eq(retrainingProposal.siteId, siteId),
          after && sql`(${createdAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(createdAt), desc(id))
      .limit(limit + 1);
    return toPage(rows, limit, {
      item: toView,
      cursor: ({ proposal }) => ({ time: proposal.createdAt, id: proposal.id }),
    });
  }

  /** @throws AppError `PROPOSAL.NOT_FOUND` */
  async get(tenantId: TenantId, id: string): Promise<rest.RetrainingProposal> {
    const [row] = await this.#read().where(isProposal(tenantId, id));
    if (row === undefined) throw proposalNotFound();
    return toView(row);
  }

  /**
   * Accepts a proposal: a recalibration becomes part of the next version of the decision policy, together with this.
   * That a candidate release is wanted is written down, and changes nothing by itself.
   *
   * @throws AppError `PROPOSAL.NOT_FOUND`, `PROPOSAL.NOT_OPEN`
   */
  async accept(caller: RequestCaller, id: string): Promise<rest.RetrainingProposal> {
    const { kind, offsetAfter } = await this.#row(caller.tenantId, id);
    if (kind === 'insufficient-evidence') throw notOpen('There is nothing in it that could be accepted.');
    const decided = { from: 'open', to: 'accepted' } as const;
    return kind === 'recalibration'
      ? this.#recalibrate(caller, id, { ...decided, offset: offsetAfter ?? 0 })
      : this.#decide(caller, id, decided);
  }

  /** Takes an accepted recalibration back: the offset from before it holds again. @throws as {@link accept} */
  async revert(caller: RequestCaller, id: string): Promise<rest.RetrainingProposal> {
    const { kind, offsetBefore } = await this.#row(caller.tenantId, id);
    const decided = { from: 'accepted', to: 'reverted' } as const;
    return kind === 'recalibration'
      ? this.#recalibrate(caller, id, { ...decided, offset: offsetBefore ?? 0 })
      : this.#decide(caller, id, decided);
  }

  /** @throws as {@link accept} */
  dismiss(caller: RequestCaller, id: string): Promise<rest.RetrainingProposal> {
    return this.#decide(caller, id, { from: 'open', to: 'dismissed' });
  }

  async #recalibrate(
    caller: RequestCaller,
    id: string,
    { offset, ...decided }: { readonly from: rest.ProposalState; readonly to: Decided; readonly offset: number },
  ): Promise<rest.RetrainingProposal> {
    await this.decisionPolicies.change(caller.tenantId, async ({ policy }, tx) => {
      const row = await this.#write(tx, caller, id, decided);
      // Somebody has changed it since: what the proposal was made of holds no more.
      const expected = decided.to === 'accepted' ? row.offsetBefore : row.offsetAfter;
      if (offsetIn(policy, row) !== expected) throw notOpen('The recalibration of the site has changed meanwhile.');
      return withOffset(policy, row, offset);
    });
    return this.get(caller.tenantId, id);
  }

  async #decide(
    caller: RequestCaller,
    id: string,
    decided: { readonly from: rest.ProposalState; readonly to: Decided },
  ): Promise<rest.RetrainingProposal> {
    await inTransaction(this.database, (tx) => this.#write(tx, caller, id, decided));
    return this.get(caller.tenantId, id);
  }

  async #write(
    tx: Transaction,
    { tenantId, actor }: RequestCaller,
    id: string,
    { from, to }: { readonly from: rest.ProposalState; readonly to: Decided },
  ): Promise<ProposalRow> {
    const [row] = await tx.select().from(retrainingProposal).where(isProposal(tenantId, id)).for('update');
    if (row === undefined) throw proposalNotFound();
    if (row.state !== from) throw notOpen(`The proposal is ${row.state}.`);
    const decision = { state: to, decidedAt: new Date(this.clock.wallMs()), decidedBy: actor };
    await tx.update(retrainingProposal).set(decision).where(isProposal(tenantId, id));
    await this.audit.record(tx, { tenantId, action: `proposal.${to}`, subject: { kind: 'proposal', id } });
    return row;
  }

  async #row(tenantId: TenantId, id: string): Promise<ProposalRow> {
    const [row] = await this.database.db.select().from(retrainingProposal).where(isProposal(tenantId, id));
    if (row === undefined) throw proposalNotFound();
    return row;
  }

  #read() {
    return this.database.db
      .select({ proposal: retrainingProposal, figures: siteEvaluation.figures })
      .from(retrainingProposal)
      .innerJoin(
        siteEvaluation,
        and(
          eq(siteEvaluation.tenantId, retrainingProposal.tenantId),
          eq(siteEvaluation.id, retrainingProposal.evaluationId),
        ),
      )
      .$dynamic();
  }
}

const isProposal = (tenantId: TenantId, id: string) =>
  and(eq(retrainingProposal.tenantId, tenantId), eq(retrainingProposal.id, id));

type Place = Pick<ProposalRow, 'siteId' | 'variantDigest'>;
const isPlace = (place: Place, other: Place): boolean =>
  other.siteId === place.siteId && other.variantDigest === place.variantDigest;

function offsetIn({ recalibrations }: StoredPolicy, place: Place): number {
  return recalibrations.find((one) => isPlace(place, one))?.offset ?? 0;
}

function withOffset(policy: StoredPolicy, { siteId, variantDigest }: Place, offset: number): StoredPolicy {
  const others = policy.recalibrations.filter((one) => !isPlace({ siteId, variantDigest }, one));
  return { ...policy, recalibrations: offset === 0 ? others : [...others, { siteId, variantDigest, offset }] };
}

function proposalNotFound(): AppError {
  return new AppError('PROPOSAL.NOT_FOUND', 'There is no such proposal.');
}

function notOpen(message: string): AppError {
  return new AppError('PROPOSAL.NOT_OPEN', message);
}

function toView({ proposal, figures }: Shown): rest.RetrainingProposal {
  const { id, evaluationId, siteId, kind, state, variantDigest, offsetBefore, offsetAfter, decidedBy } = proposal;
  if (figures === null) throw new AppError('SERVICE.INTERNAL', 'A proposal has no figures.');
  return {
    ...{ id, evaluationId, siteId, kind, state, variantDigest, figures, decidedBy },
    recalibration: offsetBefore === null || offsetAfter === null ? null : { offsetBefore, offsetAfter },
    createdAt: proposal.createdAt.toISOString(),
    decidedAt: proposal.decidedAt?.toISOString() ?? null,
  };
}
