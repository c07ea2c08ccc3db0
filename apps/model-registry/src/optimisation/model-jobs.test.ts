import { migrate, openDatabase, type Database } from '@sightline/database';
import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import type { JobRun, Jobs } from '@sightline/jobs';
import { AppError, silentLogger, systemClock, type TenantId } from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Audit } from '../audit/audit.js';
import { BlobStore } from '../models/blob-store.js';
import { modelManifestSchema, type ModelJob } from '../models/model-manifest.js';
import { Models } from '../models/models.js';
import { ModelJobs, type DoJob } from './model-jobs.js';

const caller: RequestCaller = { tenantId: 'acme' as TenantId, actor: 'key:1', roles: ['admin'] };
const manifest = modelManifestSchema.parse({
  ...{ task: 'landmarks', name: 'Points', licence: 'MIT', origin: 'https://example.org/points.onnx' },
  spec: {
    decoder: 'points-68',
    input: { width: 64, height: 64, channels: 'grey', mean: [0], scale: [256] },
    crop: { scale: 1, down: 0 },
  },
});

let server: TestDatabase;
let database: Database;
let folder: string;
let modelId: string;
let nowMs = Date.UTC(2026, 0, 1);
const clock = { ...systemClock, wallMs: () => nowMs };

beforeAll(async () => {
  server = await startTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'sightline-jobs-'));
  database = await openDatabase({ url: server.url, log: silentLogger });
  await migrate(database, { schema: 'registry', folder: new URL('../../migrations', import.meta.url) });
  const wanted = { manifest, source: 'a'.repeat(64), hasFile: false };
  const { model } = await models().create(caller, wanted, () => Promise.resolve());
  modelId = model.id;
}, 60_000);
afterAll(async () => {
  await database.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const audit = (): Audit => new Audit(database, clock);
const models = (): Models => new Models({ database, blobs: new BlobStore(folder), audit: audit(), clock });

type Handler = (run: JobRun<Record<string, string>>) => Promise<void>;

/** One process of the registry, with a queue that this test turns by hand. */
function processOf(work: DoJob) {
  const handlers = new Map<string, Handler>();
  const queued: string[] = [];
  const jobs: Pick<Jobs, 'handle' | 'schedule' | 'enqueue'> = {
    handle: (kind, handler) => void handlers.set(kind.name, handler as unknown as Handler),
    schedule: () => undefined,
    enqueue: (_, { id }: Readonly<Record<string, unknown>>) => {
      queued.push(String(id));
      return Promise.resolve(true);
    },
  };
  const modelJobs = new ModelJobs({
    ...{ database, models: models(), audit: audit(), clock, log: silentLogger, work },
    jobs: jobs as Jobs,
  });
  const turn = async (signal = new AbortController().signal): Promise<void> => {
    for (let id = queued.shift(); id !== undefined; id = queued.shift()) {
      await handlers.get('registry-model-job')?.({ data: { id }, signal, attempt: 1 });
    }
  };
  const look = (): Promise<void> | undefined =>
    handlers.get('registry-model-jobs-lost')?.({ data: {}, signal: new AbortController().signal, attempt: 1 });
  return { modelJobs, queued, turn, look };
}

const done: DoJob = () => Promise.resolve({ report: { fine: true }, finish: () => Promise.resolve() });
const begin = (jobs: ModelJobs): Promise<ModelJob> => jobs.begin(caller, modelId, { kind: 'fp16', options: {} });
/** Work that never ends by itself. */
const endless: DoJob = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));

describe('a job', () => {
  it('ends with its report, once, however often it is triggered', async () => {
    let runs = 0;
    const { modelJobs, turn } = processOf((work) => {
      runs += 1;
      return done(work);
    });
    const { id, state } = await begin(modelJobs);
    expect(state).toBe('waiting');
    await modelJobs.trigger(id);
    await turn();
    expect(await modelJobs.get(caller.tenantId, id)).toMatchObject({
      state: 'succeeded',
      progress: 1,
      report: { fine: true },
    });
    expect(runs).toBe(1);
  });

  it('that the queue has lost is found, and so is one whose process was killed', async () => {
    const lost = processOf(done);
    const { id } = await begin(lost.modelJobs);
    lost.queued.splice(0);
    await database.pool.query(
      `UPDATE registry.model_job SET state = 'running', attempts = 1, heard_at = $2 WHERE id = $1`,
      [id, new Date(nowMs)],
    );
    const other = processOf(done);
    await other.look();
    expect(other.queued).toEqual([]);
    nowMs += 31_000;
    await other.look();
    await other.turn();
    expect(await other.modelJobs.get(caller.tenantId, id)).toMatchObject({ state: 'succeeded' });
  });

  it('that takes its process with it again and again is given up', async () => {
    const { modelJobs, turn } = processOf(done);
    const { id } = await begin(modelJobs);
    await database.pool.query(
      `UPDATE registry.model_job SET state = 'running', attempts = 3, heard_at = $2 WHERE id = $1`,
      [id, new Date(nowMs - 60_000)],
    );
    await turn();
    const { state, error } = await modelJobs.get(caller.tenantId, id);
    expect([state, error?.code]).toEqual(['failed', 'MODEL.WORK_EXCEEDED']);
  });

  it('begins anew elsewhere when its process stops, and is tried again after what may pass', async () => {
    const ending = new AbortController();
    const stopped = processOf(({ signal }) => {
      ending.abort(new Error('stop'));
      return Promise.reject(signal.reason as Error);
    });
    const { id } = await begin(stopped.modelJobs);
    await stopped.turn(ending.signal);
    expect(await stopped.modelJobs.get(caller.tenantId, id)).toMatchObject({ state: 'waiting' });
    const unlucky = processOf(() =>
      Promise.reject(new AppError('MODEL.SOURCE_UNAVAILABLE', 'Away.', { retryable: true })),
    );
    await unlucky.modelJobs.trigger(id);
    await expect(unlucky.turn()).rejects.toMatchObject({ retryable: true });
    expect(await unlucky.modelJobs.get(caller.tenantId, id)).toMatchObject({ state: 'waiting' });
  });

  it('is cancelled at once while it waits, and soon while it runs', async () => {
    const { modelJobs, turn } = processOf(endless);
    const waiting = await begin(modelJobs);
    expect((await modelJobs.cancel(caller, waiting.id)).state).toBe('cancelled');
    const running = await begin(modelJobs);
    const ended = turn();
    await expect.poll(async () => (await modelJobs.get(caller.tenantId, running.id)).state).toBe('running');
    await modelJobs.cancel(caller, running.id);
    await ended;
    expect(await modelJobs.get(caller.tenantId, running.id)).toMatchObject({
      state: 'cancelled',
      error: { code: 'MODEL.JOB_CANCELLED' },
    });
  });

  it('that fails says why; of a fault of ours no word leaves', async () => {
    const refused = processOf(() => Promise.reject(new AppError('MODEL.INVALID', 'No model.')));
    const one = await begin(refused.modelJobs);
    await refused.turn();
    expect((await refused.modelJobs.get(caller.tenantId, one.id)).error).toEqual({
      code: 'MODEL.INVALID',
      detail: 'No model.',
    });
    const broken = processOf(() => Promise.reject(new Error('secret')));
    const other = await begin(broken.modelJobs);
    await broken.turn();
    expect((await broken.modelJobs.get(caller.tenantId, other.id)).error?.detail).not.toContain('secret');
  });
});
