import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { defaultCatalog } from '@sightline/model-catalog';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestRegistry, type TestRegistry } from '../testing/test-registry.js';
import type { ImportedModel, Model, ModelJob } from './model-manifest.js';

const { landmarks } = defaultCatalog;
const manifest = {
  ...{ task: 'landmarks', name: 'Points', licence: 'MIT', origin: 'https://example.org/points.onnx' },
  spec: landmarks.spec,
};

let test: TestRegistry;
let source: Uint8Array;
beforeAll(async () => {
  test = await startTestRegistry();
  source = await readFile(join(test.config.modelStoreDirectory, `${landmarks.sha256}.onnx`));
}, 120_000);
afterAll(() => test.stop());

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function answer<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await test.request(method, path, body && { body });
  expect([path, response.status]).toEqual([path, expect.toSatisfy((status: number) => status < 300)]);
  return (await response.json()) as T;
}

async function upload(bytes: Uint8Array, sha256 = digestOf(bytes)): Promise<Response> {
  return test.request('PUT', `/v1/blobs/${sha256}`, { body: bytes });
}

async function ended(job: ModelJob): Promise<ModelJob> {
  const now = (): Promise<ModelJob> => answer('GET', `/v1/jobs/${job.id}`);
  await expect.poll(async () => (await now()).state, { timeout: 60_000 }).not.toMatch(/waiting|running/);
  return now();
}

async function imported(bytes: Uint8Array, described: object = manifest): Promise<ModelJob> {
  await upload(bytes);
  const body = { manifest: described, source: digestOf(bytes) };
  return ended((await answer<ImportedModel>('POST', '/v1/models', body)).job);
}

describe('a model', { timeout: 120_000 }, () => {
  let model: Model;

  it('is imported from an uploaded file: the same bytes as the catalog pins', async () => {
    const job = await imported(source);
    expect(job).toMatchObject({ state: 'succeeded', progress: 1, error: null });
    model = await answer('GET', `/v1/models/${job.modelId}`);
    expect(model).toMatchObject({
      use: 'any',
      source: landmarks.sha256,
      variants: [{ kind: 'imported', parent: null }],
    });
    expect(model.variants[0]?.digest).toBe(landmarks.imported.sha256);
    expect(JSON.stringify(job.report)).toContain('largestDifference');
  });

  it('has another variant once a job has made it, made of the first', async () => {
    const job = await ended(await answer<ModelJob>('POST', `/v1/models/${model.id}/jobs`, { kind: 'fp16' }));
    expect(job).toMatchObject({ state: 'succeeded' });
    const { variants } = await answer<Model>('GET', `/v1/models/${model.id}`);
    expect(variants.map(({ kind, parent }) => [kind, parent])).toEqual([
      ['imported', null],
      ['fp16', landmarks.imported.sha256],
    ]);
    expect((variants[1]?.bytes ?? 0) / landmarks.imported.bytes).toBeLessThan(0.55);
    model = { ...model, variants };
  });

  it('goes into a release with the others, which the tenant alone sees besides the default one', async () => {
    const body = { version: '2.0.0', models: { landmarks: model.variants[1]?.digest } };
    const created = await answer<{ models: Record<string, { sha256: string }> }>('POST', '/v1/releases', body);
    expect(created.models.landmarks?.sha256).toBe(model.variants[1]?.digest);
    expect(created.models.embedder?.sha256).toBe(defaultCatalog.embedder.imported.sha256);
    expect((await test.request('POST', '/v1/releases', { body })).status).toBe(409);
    const versions = async (tenant: string): Promise<string[]> => {
      const response = await test.request('GET', '/v1/releases', { tenant });
      return ((await response.json()) as { items: { version: string }[] }).items.map(({ version }) => version);
    };
    expect([await versions('acme'), await versions('other')]).toEqual([['2.0.0', '1.0.0'], ['1.0.0']]);
    expect((await test.request('GET', '/v1/releases/2.0.0', { tenant: 'other' })).status).toBe(404);
  });

  it('is nobody else’s, and its changes are in the audit, whose chain holds', async () => {
    expect((await test.request('GET', `/v1/models/${model.id}`, { tenant: 'other' })).status).toBe(404);
    const body = { manifest, source: landmarks.sha256 };
    const foreign = await test.request('POST', '/v1/models', { tenant: 'other', body });
    expect(await foreign.json()).toMatchObject({ code: 'MODEL.FILE_MISSING' });
    const { items } = await answer<{ items: { action: string; actor: string }[] }>('GET', '/v1/audit');
    const actions = items.map(({ action }) => action);
    expect(actions).toEqual(expect.arrayContaining(['blob.upload', 'model.import', 'model.fp16', 'release.assemble']));
    expect(await answer('GET', '/v1/audit/verify')).toMatchObject({ verified: items.length, broken: null });
  });

  it('is fetched from the catalog, with its thresholds', async () => {
    const { items } = await answer<{ items: { id: string; use: string }[] }>('GET', '/v1/catalog');
    expect(items.map(({ use }) => use)).toEqual(['any', 'any', 'any', 'any']);
    const { job } = await answer<ImportedModel>('POST', '/v1/catalog/mobilefacenet-512/fetch');
    expect(await ended(job)).toMatchObject({ state: 'succeeded' });
    const body = { version: '2.1.0', models: { embedder: defaultCatalog.embedder.imported.sha256 } };
    const { modelSpace } = await answer<{ modelSpace: object }>('POST', '/v1/releases', body);
    expect(modelSpace).toEqual(defaultCatalog.modelSpace);
  });

  it('of an embedder whose thresholds nobody has measured makes no release', async () => {
    const { items } = await answer<{ items: Model[] }>('GET', '/v1/models');
    const embedder = items.find(({ manifest: { task } }) => task === 'embedder');
    const job = await ended(await answer<ModelJob>('POST', `/v1/models/${embedder?.id}/jobs`, { kind: 'fp16' }));
    const body = { version: '2.2.0', models: { embedder: job.report?.variant } };
    const refused = await test.request('POST', '/v1/releases', { body });
    expect(await refused.json()).toMatchObject({ code: 'RELEASE.NOT_ASSEMBLED', status: 422 });
  });
});

describe('a licence', { timeout: 120_000 }, () => {
  it('that forbids commercial use keeps a model out of a commercial tenant’s releases, by name', async () => {
    const described = { ...manifest, name: 'Research points', licence: 'CC-BY-NC-4.0' };
    const job = await imported(source, described);
    expect(job.state).toBe('succeeded');
    // The same bytes as before, brought in again under other terms: the stricter model is the newer one.
    const body = { version: '3.0.0', models: { landmarks: landmarks.imported.sha256 } };
    const refused = await test.request('POST', '/v1/releases', { body });
    const problem = (await refused.json()) as { code: string; detail: string };
    expect([refused.status, problem.code]).toEqual([409, 'MODEL.LICENCE_REFUSED']);
    expect(problem.detail).toContain('CC-BY-NC-4.0');
    await answer('PUT', '/v1/deploy-policy', { commercial: false });
    await answer('POST', '/v1/releases', body);
    await answer('PUT', '/v1/deploy-policy', { commercial: true });
  });
});

describe('what cannot be imported', { timeout: 120_000 }, () => {
  it.each<[string, () => Uint8Array, object, string]>([
    ['something that is no model', () => Buffer.from('not a model'), manifest, 'MODEL.INVALID'],
    ['half of a model', () => source.subarray(0, source.length / 2), manifest, 'MODEL.INVALID'],
    [
      'a model of another task',
      () => source,
      { ...manifest, task: 'presentationAttack', spec: defaultCatalog.presentationAttack.spec },
      'MODEL.INVALID',
    ],
  ])('is refused with a reason: %s', async (_, bytes, described, code) => {
    const job = await imported(bytes(), described);
    expect(job).toMatchObject({ state: 'failed', error: { code } });
    expect(job.error?.detail.length).toBeGreaterThan(10);
  });

  it('is a file that is not the one that was announced, or a manifest that is none', async () => {
    expect((await upload(Buffer.from('a'), 'b'.repeat(64))).status).toBe(422);
    const body = { manifest: { ...manifest, task: 'poetry' }, source: landmarks.sha256 };
    expect((await test.request('POST', '/v1/models', { body })).status).toBe(400);
    expect((await test.request('POST', '/v1/models', { body: { manifest, source: 'c'.repeat(64) } })).status).toBe(409);
  });
});

describe('a job', () => {
  it('that has ended stays as it is, and no operator of another tenant sees it', async () => {
    const { items } = await answer<{ items: ModelJob[] }>('GET', '/v1/jobs');
    const [job] = items.filter(({ state }) => state === 'succeeded');
    const cancelled = await answer<ModelJob>('POST', `/v1/jobs/${job?.id}/cancel`);
    expect(cancelled.state).toBe('succeeded');
    expect((await test.request('GET', `/v1/jobs/${job?.id}`, { tenant: 'other' })).status).toBe(404);
  });

  it('is begun by operators, and models are brought in by admins', async () => {
    const body = { kind: 'fp16' };
    const path = '/v1/models/6f1f0f0a-7c4e-4a53-9a2f-3f2b8f3f4c11/jobs';
    expect((await test.request('POST', path, { role: 'auditor', body })).status).toBe(403);
    expect((await test.request('POST', path, { role: 'operator', body })).status).toBe(404);
    expect((await test.request('POST', '/v1/models', { role: 'operator', body: {} })).status).toBe(403);
  });
});
