import { openDatabase, type Database } from '@sightline/database';
import { silentLogger } from '@sightline/kernel';
import { defaultCatalog } from '@sightline/model-catalog';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { TENANT } from '../testing/test-access.js';
import { startTestRegistry, type TestRegistry } from '../testing/test-registry.js';
import { embedderReport } from './testing/reports.js';

const { embedder, landmarks } = defaultCatalog;
const REFERENCE = embedder.imported.sha256;
const INT8 = 'a'.repeat(64);
const MODEL = '0198a3f0-0000-7000-8000-000000000001';
const OTHER = '0198a3f0-0000-7000-8000-000000000002';
const described = { licence: 'MIT', origin: 'https://example.org/a.onnx', trainingData: 'unstated', published: [] };

let test: TestRegistry;
let database: Database;
beforeAll(async () => {
  test = await startTestRegistry();
  database = await openDatabase({ url: test.database.url, log: silentLogger });
  const { items } = await json<{ items: { digest: string }[] }>('/v1/releases');
  await model(MODEL, 'embedder', {
    ...described,
    task: 'embedder',
    name: 'Faces',
    modelSpace: 'a',
    spec: embedder.spec,
  });
  await model(OTHER, 'landmarks', { ...described, task: 'landmarks', name: 'Points', spec: landmarks.spec });
  await variant(REFERENCE, 'imported', { imported: { import: { rewriter: '1' } } });
  await variant(INT8, 'int8', { evaluation: embedderReport() });
  // A box has measured the default release, whose embedder is the reference.
  await database.pool.query(
    `INSERT INTO registry.device_benchmark VALUES ($1, 'gate-1', $2, 'cpu', 'x64 x2', 1, false, 9, 3, 50, 300, now())`,
    [TENANT, items[0]?.digest],
  );
}, 60_000);
afterAll(async () => {
  await database.close();
  await test.stop();
});

function model(id: string, task: string, manifest: object): Promise<unknown> {
  return database.pool.query(`INSERT INTO registry.model VALUES ($1, $2, $3, $4, $5, now())`, [
    ...[id, TENANT, task, JSON.stringify(manifest), 'b'.repeat(64)],
  ]);
}

function variant(digest: string, kind: string, report: object): Promise<unknown> {
  return database.pool.query(`INSERT INTO registry.model_variant VALUES ($1, $2, 1000, $3, NULL, $4, now())`, [
    ...[MODEL, digest, kind, JSON.stringify(report)],
  ]);
}

async function json<T>(path: string): Promise<T> {
  return (await (await test.request('GET', path)).json()) as T;
}

it('the card of a variant has what was measured of it, as JSON and as a page', async () => {
  expect(await json(`/v1/models/${MODEL}/variants/${INT8}/card`)).toMatchObject({
    model: { name: 'Faces', task: 'embedder', variant: 'int8', dimension: 512 },
    evaluation: { task: 'embedder', accuracy: 0.993 },
    latency: [],
  });
  expect(await json(`/v1/models/${MODEL}/variants/${REFERENCE}/card`)).toMatchObject({
    provenance: { imported: { from: 'b'.repeat(64), rewriter: '1' }, source: described.origin },
    latency: [{ deviceClass: 'x64 x2', provider: 'cpu', devices: 1, ms: 3 }],
    unstated: expect.arrayContaining([expect.stringContaining('nobody has evaluated')]) as string[],
  });
  const page = await test.request('GET', `/v1/models/${MODEL}/variants/${INT8}/card.html`);
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(await page.text()).toContain('<h1>Faces</h1>');
});

it('a kind of box gets the fastest variant that it has measured', async () => {
  expect(await json(`/v1/models/${MODEL}/variant-choices`)).toMatchObject({
    items: [
      {
        ...{ deviceClass: 'x64 x2', variantDigest: REFERENCE, variant: 'imported' },
        candidates: [{ embedMs: 3 }, { variant: 'int8' }],
      },
    ],
  });
});

it('what is not there, or is not an embedder, or is of another tenant, is refused', async () => {
  const status = async (path: string, tenant?: string): Promise<number> =>
    (await test.request('GET', path, tenant === undefined ? {} : { tenant })).status;
  expect(await status(`/v1/models/${MODEL}/variants/${'c'.repeat(64)}/card`)).toBe(404);
  expect(await status(`/v1/models/${OTHER}/variant-choices`)).toBe(422);
  expect(await status(`/v1/models/${MODEL}/variant-choices`, 'another')).toBe(404);
  expect(await status(`/v1/models/${MODEL}/variants/${INT8}/card.html`, 'another')).toBe(404);
});
