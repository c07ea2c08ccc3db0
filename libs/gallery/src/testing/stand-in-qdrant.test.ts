import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { collectionOf, payloadIndexes } from '../qdrant/collection-plan.js';
import { startStandInQdrant } from './stand-in-qdrant.js';

const standIn = await startStandInQdrant();
afterAll(() => standIn.close());

async function ask(method: string, path: string, body?: unknown) {
  const response = await fetch(standIn.url + path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const { status, result } = (await response.json()) as { status: unknown; result?: unknown };
  return { code: response.status, status, result };
}

const query = {
  query: [1, 0],
  filter: { must: [] },
  params: { exact: true },
  limit: 5,
  with_payload: ['a'],
  with_vector: false,
};

describe('the stand-in for Qdrant', () => {
  beforeAll(async () => {
    await ask('PUT', '/collections/c', collectionOf(2, { replicas: 1 }));
    const [field = '', schema] = Object.entries(payloadIndexes)[0] ?? [];
    await ask('PUT', '/collections/c/index?wait=true', { field_name: field, field_schema: schema });
    await ask('PUT', '/collections/c/points?wait=true', {
      points: [{ id: '00000000-0000-7000-8000-000000000001', vector: [2, 0], payload: { partition: 'p', a: 1, b: 2 } }],
    });
  });

  it('computes cosines, and selects fields', async () => {
    const { result } = await ask('POST', '/collections/c/points/query/batch', { searches: [query] });
    expect(result).toMatchObject([{ points: [{ score: 1, payload: { a: 1 } }] }]);
    expect(JSON.stringify(result)).not.toContain('"b"');
  });

  it('refuses what strict mode refuses', async () => {
    const refused = async (changes: object, limit = 400): Promise<void> => {
      const answer = await ask('POST', '/collections/c/points/query/batch', { searches: [{ ...query, ...changes }] });
      expect(answer).toMatchObject({ code: limit, status: { error: expect.any(String) as string } });
    };
    await refused({ filter: { must: [{ key: 'colour', match: { value: 'red' } }] } });
    await refused({ limit: 10_001 });
    await refused({ params: { hnsw_ef: 5000 } });
    await refused({ query: [1, 0, 0] });
  });

  it('answers 501 to what the adapter does not use', async () => {
    expect(await ask('POST', '/collections/c/points/count', {})).toMatchObject({ code: 501 });
    expect(await ask('GET', '/telemetry')).toMatchObject({ code: 501 });
    expect(await ask('PUT', '/collections/c/points', { points: [] })).toMatchObject({ code: 501 });
    expect(standIn.unsupported).toHaveLength(3);
  });

  it('tells what Qdrant’s description does not know', async (context) => {
    if (!standIn.validated) context.skip('DID NOT RUN: there is no ../shared/qdrant with the description');
    expect(standIn.violations).toEqual([]);
    await ask('POST', '/collections/c/points/query/batch', { searches: [{ ...query, limit: 'many' }] });
    await ask('PUT', '/collections/d', { ...collectionOf(2, { replicas: 1 }), quantisation: {} });
    await ask('GET', '/collections/c?colour=red');
    expect(standIn.violations).toHaveLength(3);
  });
});
