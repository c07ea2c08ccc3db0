import { randomUUID } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { defineJob, defineTrigger, type Jobs } from '@sightline/jobs';
import { AppError, isAppError, isSlug, isUuid, type Clock, type Logger, type TenantId } from '@sightline/kernel';
import { searchPoint } from '@sightline/matching';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, gte, inArray, sql } from 'drizzle-orm';
import { z } from 'zod';

import { Audit } from '../audit/audit.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { DecisionPolicies } from '../identification/decision-policies.js';
import { offsetFor, resolveRules } from '../identification/decision-policy.js';
import { SearchedTemplates } from '../identification/searched-templates.js';
import { CLOCK, DATABASE, JOBS, LOGGER } from '../platform/tokens.js';
import { Releases } from '../releases/releases.js';
import { retrainingProposal, siteEvaluation } from '../storage/retraining-schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { evaluationFigures, scoreSite } from './evaluate-site.js';
import { LabelledProbes } from './labelled-probes.js';
import { LabelledSets } from './labelled-sets.js';
import { storeProposals } from './proposal-store.js';
import { RetrainingPolicies } from './retraining-policies.js';

/** How often evaluations that nobody works on are looked for, ms. */
const UPKEEP_MS = 60_000;

const keySchema = z.object({
  tenantId: z
    .string()
    .refine(isSlug)
    .transform((id) => id as TenantId),
  id: z.uuid(),
});
type EvaluationKey = z.output<typeof keySchema>;
const evaluationJob = defineJob('site-evaluation', (data) => keySchema.parse(data));
const upkeep = defineTrigger('site-evaluation-upkeep');

/** Where something drifts, and since when. */
interface SiteDrift {
  readonly tenantId: TenantId;
  readonly siteId: string;
  readonly since: Date;
}

type EvaluationRow = typeof siteEvaluation.$inferSelect;

/** Evaluations of the active release on what was labelled at a site. */
@Injectable()
export class Evaluations {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(JOBS) private readonly jobs: Jobs,
    private readonly sets: LabelledSets,
    private readonly policies: RetrainingPolicies,
    private readonly probes: LabelledProbes,
    private readonly releases: Releases,
    private readonly decisionPolicies: DecisionPolicies,
    private readonly searchedTemplates: SearchedTemplates,
    private readonly templateKeys: TemplateKeys,
    private readonly audit: Audit,
  ) {
    jobs.handle(evaluationJob, ({ data, signal }) => this.run(data, signal));
    jobs.handle(upkeep, () => this.#goOn());
    jobs.schedule(upkeep, { everyMs: UPKEEP_MS });
  }

  /** @throws AppError `LABELLED_SET.NOT_FOUND`, `LABELLED_SET.OTHER_SITE`, `RETRAINING.SITE_OFF` */
  async start(
    tenantId: TenantId,
    { labelledSetId, siteId }: rest.CreateSiteEvaluation,
    cause: 'request' | 'drift' = 'request',
  ): Promise<rest.SiteEvaluation> {
    const set = await this.sets.row({ tenantId, id: labelledSetId });
    if (!set.sites.includes(siteId)) {
      throw new AppError('LABELLED_SET.OTHER_SITE', 'The labelled set holds no sightings of this site.');
    }
    await this.policies.assertOn(tenantId, [siteId]);
    const key = { tenantId, id: randomUUID() };
    await inTransaction(this.database, async (tx) => {
      const createdAt = new Date(this.clock.wallMs());
      await tx.insert(siteEvaluation).values({ ...key, setId: set.id, siteId, cause, state: 'waiting', createdAt });
      const subject = { kind: 'evaluation', id: key.id };
      await this.audit.record(tx, {
        ...{ tenantId, action: 'evaluation.start', subject },
        ...(cause === 'drift' && { actor: 'system:drift' }),
      });
    });
    await this.#enqueue(key);
    return this.get(key);
  }

  /** Something drifts at a site: it is looked at once, where the loop is on and as soon as there are labels. */
  async startAfterDrift({ tenantId, siteId, since }: SiteDrift): Promise<void> {
    const { sites } = await this.policies.of(tenantId);
    const set = sites.includes(siteId) ? await this.sets.newestOf(tenantId, siteId) : undefined;
    if (set === undefined) return;
    // Several cameras that drift at once make one evaluation: the labels are the same.
    const sinceThen = and(
      eq(siteEvaluation.tenantId, tenantId),
      eq(siteEvaluation.siteId, siteId),
      gte(siteEvaluation.createdAt, since),
    );
    const [known] = await this.database.db.select({ id: siteEvaluation.id }).from(siteEvaluation).where(sinceThen);
    if (known === undefined) await this.start(tenantId, { labelledSetId: set.id, siteId }, 'drift');
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.SiteEvaluationPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { createdAt, id } = siteEvaluation;
    const rows = await this.database.db
      .select()
      .from(siteEvaluation)
      .where(
        and(
          eq(siteEvaluation.tenantId, tenantId),
          after && sql`(${createdAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(createdAt), desc(id))
      .limit(limit + 1);
    const proposals = await this.#proposalsOf(rows);
    return toPage(rows, limit, {
      item: (row) => toView(row, proposals.get(row.id) ?? []),
      cursor: (row) => ({ time: row.createdAt, id: row.id }),
    });
  }

  /** @throws AppError `EVALUATION.NOT_FOUND` */
  async get(key: EvaluationKey): Promise<rest.SiteEvaluation> {
    const [row] = await this.database.db.select().from(siteEvaluation).where(isEvaluation(key));
    if (row === undefined) throw new AppError('EVALUATION.NOT_FOUND', 'There is no such evaluation.');
    return toView(row, (await this.#proposalsOf([row])).get(row.id) ?? []);
  }

  /** Does the work of one evaluation, unless it is done. What cannot succeed later fails for good. */
  async run(key: EvaluationKey, signal: AbortSignal): Promise<void> {
    const [row] = await this.database.db.select().from(siteEvaluation).where(isEvaluation(key));
    if (row?.state !== 'waiting') return;
    try {
      const figures = await this.#evaluate(row, signal);
      const { margin } = await this.policies.of(key.tenantId);
      await this.#finish(key, async (tx, finishedAt) => {
        await tx.update(siteEvaluation).set({ state: 'done', figures, finishedAt }).where(isEvaluation(key));
        await storeProposals(tx, row, { figures, margin, createdAt: finishedAt });
        const subject = { kind: 'evaluation', id: key.id };
        const said = { tenantId: key.tenantId, actor: 'system:site-evaluation', subject };
        await this.audit.record(tx, { ...said, action: 'evaluation.done' });
      });
    } catch (error) {
      if (!isAppError(error) || error.retryable) throw error;
      this.log.warn({ ...key, code: error.code }, 'an evaluation cannot succeed');
      await this.#finish(key, async (tx, finishedAt) => {
        const failed = { state: 'failed' as const, failureCode: error.code, finishedAt };
        await tx.update(siteEvaluation).set(failed).where(isEvaluation(key));
      });
    }
  }

  async #evaluate({ tenantId, setId, siteId }: EvaluationRow, signal: AbortSignal): Promise<rest.EvaluationFigures> {
    const set = await this.sets.row({ tenantId, id: setId });
    const release = this.releases.current();
    const { calibration } = release.manifest;
    const policy = await this.decisionPolicies.of(tenantId);
    const rules = resolveRules(policy, { siteId }, { target: this.decisionPolicies.target });
    const { keyId } = await this.templateKeys.current(tenantId);
    const belonging = { spaceId: release.recogniser.spaceId, keyId };
    const filter = rules.siteOnly ? { site: siteId } : undefined;
    const templatesSearched = await this.searchedTemplates.count(tenantId, belonging, filter);
    const offset = offsetFor(rules, calibration.variantDigest);
    const trial = await this.probes.read(set, siteId, release);
    const scored = await scoreSite(trial, release, signal);
    const { falseNonMatchRate } = await this.policies.of(tenantId);
    return evaluationFigures(trial, scored, release, {
      point: searchPoint(calibration.points, { ...rules.target, offset }, templatesSearched),
      ...{ templatesSearched, falsePositiveRate: rules.target.falsePositiveRate ?? null, falseNonMatchRate },
    });
  }

  /** Writes an end down, once. */
  async #finish(key: EvaluationKey, write: (tx: Transaction, finishedAt: Date) => Promise<void>): Promise<void> {
    await inTransaction(this.database, async (tx) => {
      const [row] = await tx.select().from(siteEvaluation).where(isEvaluation(key)).for('update');
      if (row?.state === 'waiting') await write(tx, new Date(this.clock.wallMs()));
    });
  }

  async #proposalsOf(rows: readonly EvaluationRow[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const [first] = rows;
    if (first === undefined) return new Map();
    const ids = rows.map(({ id }) => id);
    const found = await this.database.db
      .select({ id: retrainingProposal.id, evaluationId: retrainingProposal.evaluationId })
      .from(retrainingProposal)
      .where(and(eq(retrainingProposal.tenantId, first.tenantId), inArray(retrainingProposal.evaluationId, ids)))
      .orderBy(retrainingProposal.kind);
    return grouped(found);
  }

  async #goOn(): Promise<void> {
    await this.sets.expire();
    const rows = await this.database.db.select().from(siteEvaluation).where(eq(siteEvaluation.state, 'waiting'));
    for (const { tenantId, id } of rows) await this.#enqueue({ tenantId, id });
  }

  async #enqueue({ tenantId, id }: EvaluationKey): Promise<void> {
    await this.jobs.enqueue(evaluationJob, { tenantId, id }, { id: `evaluation-${id}` });
  }
}

const isEvaluation = ({ tenantId, id }: EvaluationKey) =>
  and(eq(siteEvaluation.tenantId, tenantId), eq(siteEvaluation.id, id));

function grouped(
  found: readonly { readonly id: string; readonly evaluationId: string }[],
): ReadonlyMap<string, readonly string[]> {
  const byEvaluation = new Map<string, string[]>();
  for (const { id, evaluationId } of found) {
    byEvaluation.set(evaluationId, [...(byEvaluation.get(evaluationId) ?? []), id]);
  }
  return byEvaluation;
}

function toView(row: EvaluationRow, proposalIds: readonly string[]): rest.SiteEvaluation {
  const { id, setId, siteId, cause, state, failureCode, figures } = row;
  return {
    ...{ id, labelledSetId: setId, siteId, cause, state, failureCode, figures, proposalIds: [...proposalIds] },
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
