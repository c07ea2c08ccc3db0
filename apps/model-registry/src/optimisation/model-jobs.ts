import type { Database, Transaction } from '@sightline/database';
import { inTransaction } from '@sightline/database';
import { AppError, errorMessage, isAppError, type Clock, type Logger, type TenantId } from '@sightline/kernel';
import { defineJob, defineTrigger, type Jobs } from '@sightline/jobs';
import type { RequestCaller } from '@sightline/rest-server';
import { sql } from 'drizzle-orm';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';

import type { Audit } from '../audit/audit.js';
import type { JobKind, ModelJob, NewModelJob } from '../models/model-manifest.js';
import type { Models } from '../models/models.js';

/** One run of a job, for what does its work. */
export interface JobWork {
  readonly tenantId: TenantId;
  readonly modelId: string;
  readonly kind: JobKind;
  readonly options: NewModelJob;
  readonly signal: AbortSignal;
  readonly onProgress: (step: string, progress: number) => void;
}

/** Does the work of a job. @returns its report, and what belongs to the transaction that ends the job */
export type DoJob = (work: JobWork) => Promise<{
  readonly report: Readonly<Record<string, unknown>>;
  readonly finish: (tx: Transaction) => Promise<void>;
}>;

export interface ModelJobsParts {
  readonly database: Database;
  readonly jobs: Jobs;
  readonly models: Models;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Logger;
  readonly work: DoJob;
}

const runJob = defineJob('registry-model-job', (data) => z.object({ id: z.uuid() }).parse(data));
const findLost = defineTrigger('registry-model-jobs-lost');
const collectBlobs = defineTrigger('registry-blobs-collect');

/** How often a job that runs says so, and looks whether somebody wants it to end, ms. */
const HEARTBEAT_MS = 1000;
/** One that has been silent for so long is begun anew, ms. */
const SILENT_MS = 30_000;
const LOOK_MS = 15_000;
/** Runs that are begun of one job: one that takes its process with it must not go round for ever. */
const ATTEMPTS = 3;
const LIST_LIMIT = 500;
/** Longest text of an error that is kept. */
const DETAIL_LENGTH = 500;

const columns =
  sql.raw(`id, tenant_id AS "tenantId", model_id AS "modelId", kind, options, state, progress, step, report,
  error_code AS "errorCode", error_detail AS "errorDetail",
  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "createdAt",
  to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "endedAt"`);

interface JobRow extends Record<string, unknown>, Omit<ModelJob, 'error'> {
  readonly tenantId: TenantId;
  readonly options: NewModelJob;
  readonly errorCode: string | null;
  readonly errorDetail: string | null;
}

/**
 * Work on models that outlives a request. Its state is in PostgreSQL; the queue only triggers it, and what the queue has
 * lost, or a process that died has left, is found and begun anew.
 */
export class ModelJobs {
  readonly #parts: ModelJobsParts;

  constructor(parts: ModelJobsParts) {
    this.#parts = parts;
    const { jobs, models } = parts;
    jobs.handle(runJob, ({ data, signal }) => this.#run(data.id, signal));
    jobs.handle(findLost, () => this.#enqueueLost());
    jobs.schedule(findLost, { everyMs: LOOK_MS });
    jobs.handle(collectBlobs, () => models.collectBlobs().then(() => undefined));
    jobs.schedule(collectBlobs, { everyMs: 3_600_000 });
  }

  /** Begins work on a model of the caller's tenant. Throws `MODEL.NOT_FOUND`. */
  async begin(caller: RequestCaller, modelId: string, wanted: NewModelJob): Promise<ModelJob> {
    await this.#parts.models.get(caller.tenantId, modelId);
    const change = { action: `model.${wanted.kind}` as const, subject: { kind: 'model', id: modelId } };
    const id = await this.#parts.audit.change(caller, change, (tx) =>
      this.add(tx, caller.tenantId, { modelId, kind: wanted.kind, options: wanted }),
    );
    await this.trigger(id);
    return this.get(caller.tenantId, id);
  }

  /** Adds a job within a transaction; call {@link trigger} once that has committed. @returns its id */
  async add(
    tx: Transaction,
    tenantId: TenantId,
    { modelId, kind, options }: { readonly modelId: string; readonly kind: JobKind; readonly options: object },
  ): Promise<string> {
    const id = randomUUID();
    await tx.execute(
      sql`INSERT INTO registry.model_job (id, tenant_id, model_id, kind, options, state, created_at)
          VALUES (${id}, ${tenantId}, ${modelId}, ${kind}, ${JSON.stringify(options)}::jsonb, 'waiting', ${this.#now()})`,
    );
    return id;
  }

  /** Lets a job begin soon. Without the queue it begins later: see `#enqueueLost`. */
  async trigger(id: string): Promise<void> {
    await this.#parts.jobs.enqueue(runJob, { id }, { id: `job-${id}` });
  }

  /** @throws AppError `MODEL.JOB_NOT_FOUND` */
  async get(tenantId: TenantId, id: string): Promise<ModelJob> {
    const [job] = await this.#read(sql`tenant_id = ${tenantId} AND id = ${id}`);
    if (job === undefined) throw new AppError('MODEL.JOB_NOT_FOUND', 'There is no such job.');
    return job;
  }

  /** Newest first, of one model or of all. */
  async list(tenantId: TenantId, modelId?: string): Promise<readonly ModelJob[]> {
    return this.#read(
      modelId === undefined ? sql`tenant_id = ${tenantId}` : sql`tenant_id = ${tenantId} AND model_id = ${modelId}`,
    );
  }

  /** Ends a job that waits at once, and lets one that runs end within a second. One that has ended stays as it is. */
  async cancel(caller: RequestCaller, id: string): Promise<ModelJob> {
    const { tenantId } = caller;
    await this.get(tenantId, id);
    await this.#parts.audit.change(caller, { action: 'model-job.cancel', subject: { kind: 'job', id } }, (tx) =>
      tx.execute(
        sql`UPDATE registry.model_job SET cancelling = true,
              state = CASE state WHEN 'waiting' THEN 'cancelled' ELSE state END,
              ended_at = CASE state WHEN 'waiting' THEN ${this.#now()}::timestamptz END
            WHERE id = ${id} AND state IN ('waiting', 'running')`,
      ),
    );
    return this.get(tenantId, id);
  }

  async #run(id: string, signal: AbortSignal): Promise<void> {
    const job = await this.#claim(id);
    if (job === undefined) return;
    const cancelling = new AbortController();
    const progress = { step: '', progress: 0 };
    const beating = setInterval(() => {
      this.#beat(id, progress).then(
        (cancelled) => cancelled && cancelling.abort(new AppError('MODEL.JOB_CANCELLED', 'The job was cancelled.')),
        (error: unknown) =>
          this.#parts.log.warn({ reason: errorMessage(error) }, 'the progress of a job is not stored'),
      );
    }, HEARTBEAT_MS);
    try {
      const { report, finish } = await this.#parts.work({
        ...{ tenantId: job.tenantId, modelId: job.modelId, kind: job.kind, options: job.options },
        signal: AbortSignal.any([signal, cancelling.signal]),
        onProgress: (step, done) => Object.assign(progress, { step, progress: Math.min(1, Math.max(0, done)) }),
      });
      await inTransaction(this.#parts.database, async (tx) => {
        await finish(tx);
        await this.#end(tx, id, { state: 'succeeded', report });
      });
    } catch (error) {
      // The process stops, or has lost the job: whoever begins it anew has nothing to know of this run.
      if (signal.aborted) await this.#release(id);
      else await this.#fail(id, error, cancelling.signal.aborted);
    } finally {
      clearInterval(beating);
    }
  }

  /** Takes a job that waits, or whose process has been silent for long. @returns undefined when there is nothing to do */
  async #claim(id: string): Promise<JobRow | undefined> {
    const now = this.#now();
    const silentSince = new Date(now.getTime() - SILENT_MS);
    const { rows } = await this.#parts.database.db.execute<JobRow>(
      sql`UPDATE registry.model_job SET
            state = CASE WHEN attempts < ${ATTEMPTS} THEN 'running' ELSE 'failed' END,
            ended_at = CASE WHEN attempts < ${ATTEMPTS} THEN NULL ELSE ${now}::timestamptz END,
            error_code = CASE WHEN attempts < ${ATTEMPTS} THEN NULL ELSE 'MODEL.WORK_EXCEEDED' END,
            error_detail = CASE WHEN attempts < ${ATTEMPTS} THEN NULL ELSE 'The job has taken its process with it again and again.' END,
            attempts = attempts + 1, heard_at = ${now}
          WHERE id = ${id} AND (state = 'waiting' OR (state = 'running' AND heard_at < ${silentSince}))
          RETURNING ${columns}`,
    );
    return rows[0]?.state === 'running' ? rows[0] : undefined;
  }

  /** @returns whether somebody wants the job to end */
  async #beat(id: string, { step, progress }: { readonly step: string; readonly progress: number }): Promise<boolean> {
    const { rows } = await this.#parts.database.db.execute<{ cancelling: boolean }>(
      sql`UPDATE registry.model_job SET step = ${step}, progress = ${progress}, heard_at = ${this.#now()}
          WHERE id = ${id} AND state = 'running' RETURNING cancelling`,
    );
    return rows[0]?.cancelling ?? false;
  }

  async #end(
    tx: Pick<Transaction, 'execute'>,
    id: string,
    { state, report, code, detail }: { state: string; report?: object; code?: string; detail?: string },
  ): Promise<void> {
    await tx.execute(
      sql`UPDATE registry.model_job SET state = ${state}, ended_at = ${this.#now()},
            report = ${report === undefined ? null : JSON.stringify(report)}::jsonb,
            progress = CASE ${state} WHEN 'succeeded' THEN 1 ELSE progress END,
            error_code = ${code ?? null}, error_detail = ${detail?.slice(0, DETAIL_LENGTH) ?? null}
          WHERE id = ${id} AND state = 'running'`,
    );
  }

  async #fail(id: string, error: unknown, cancelled: boolean): Promise<void> {
    const { database, log } = this.#parts;
    if (isAppError(error) && error.retryable && !cancelled) {
      await this.#release(id);
      throw error;
    }
    const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
    if (!isAppError(error)) log.error({ job: id, error }, 'a job on a model failed');
    const detail = isAppError(error) ? error.message : 'Something went wrong inside.';
    await this.#end(database.db, id, { state: cancelled ? 'cancelled' : 'failed', code, detail });
  }

  /** Lets a job begin anew. What was begun counts. */
  async #release(id: string): Promise<void> {
    await this.#parts.database.db.execute(
      sql`UPDATE registry.model_job SET state = 'waiting' WHERE id = ${id} AND state = 'running'`,
    );
  }

  async #enqueueLost(): Promise<void> {
    const silentSince = new Date(this.#parts.clock.wallMs() - SILENT_MS);
    const { rows } = await this.#parts.database.db.execute<{ id: string }>(
      sql`SELECT id FROM registry.model_job
          WHERE state = 'waiting' OR (state = 'running' AND heard_at < ${silentSince}) ORDER BY created_at LIMIT 100`,
    );
    for (const { id } of rows) await this.trigger(id);
  }

  async #read(where: ReturnType<typeof sql>): Promise<ModelJob[]> {
    const { rows } = await this.#parts.database.db.execute<JobRow>(
      sql`SELECT ${columns} FROM registry.model_job WHERE ${where} ORDER BY created_at DESC, id DESC LIMIT ${LIST_LIMIT}`,
    );
    return rows.map(
      ({ id, modelId, kind, state, progress, step, report, errorCode, errorDetail, createdAt, endedAt }) => ({
        ...{ id, modelId, kind, state, progress, step, report, createdAt, endedAt },
        error: errorCode === null ? null : { code: errorCode, detail: errorDetail ?? '' },
      }),
    );
  }

  #now(): Date {
    return new Date(this.#parts.clock.wallMs());
  }
}
