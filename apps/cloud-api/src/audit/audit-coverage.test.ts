import { operationsOf, type ApiDocument, type ApiOperation } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { idsOf, requestTo, type Ids } from '../testing/api-requests.js';
import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { documentOf, isStream, requestAs, startTenant, type TestTenant } from '../testing/two-tenants.js';
import { exemptRoutes } from './exempt-routes.js';

const PLATFORM_KEY = 'test-platform-key-0123456789';
/** Changes that record in their transaction, and that no generated request brings about: why. Their own tests do. */
const unreached: Readonly<Record<string, string>> = {
  'POST /v1/drift/baselines': 'needs a camera that has been watched',
  'POST /v1/labelled-sets': 'needs a site whose retraining loop is on',
  'POST /v1/labelled-sets/{id}/approval': 'needs somebody else than who made the set',
  'POST /v1/evaluations': 'needs a set of the site that it asks for',
  'POST /v1/proposals/{id}/accept': 'needs an evaluation that found something to change',
  'POST /v1/proposals/{id}/revert': 'needs a proposal that was accepted',
};
/** A tenant that may be suspended. */
const SPARE = 'spare';
/** Each with other ids and another body: one of them is about something that is there. */
const ATTEMPTS = 6;

let cloud: TestCloud;
let document: ApiDocument;
let acme: TestTenant;
let own: readonly ApiOperation[];
beforeAll(async () => {
  const access = { platformKey: PLATFORM_KEY, requestsPerMinute: { perCaller: 1e6, perTenant: 1e6 } };
  cloud = await startTestCloud({ access });
  document = await documentOf(cloud);
  acme = await startTenant(cloud, PLATFORM_KEY, 'acme');
  await requestAs(cloud, PLATFORM_KEY, { method: 'POST', url: '/v1/tenants', payload: { id: SPARE } });
  // What removes comes last: the others need something to be about.
  const rank = ({ method, path }: ApiOperation) => (method === 'DELETE' ? 2 : path.endsWith('/revoke') ? 1 : 0);
  own = operationsOf(document)
    .filter(({ method, path }) => path.startsWith('/v1') && !isPublic(method, path))
    .sort((one, other) => rank(one) - rank(other));
});
afterAll(() => cloud.stop());

const nameOf = ({ method, path }: ApiOperation): string => `${method} ${path}`;
/** A route without credentials says so in the document. */
function isPublic(method: string, path: string): boolean {
  const operation = document.paths[path]?.[method.toLowerCase()] as { security?: readonly unknown[] } | undefined;
  return operation?.security?.length === 0;
}

/** How many entries a request of somebody has left, in whoever's chain; those of background jobs do not count. */
async function entriesOfRequests(): Promise<number> {
  const { rows } = await cloud.api.database.pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM cloud.audit_entry WHERE actor NOT LIKE 'system:%'`,
  );
  return rows[0]?.count ?? 0;
}

/** @returns whether it succeeded */
async function ask(operation: ApiOperation, turn: number): Promise<boolean> {
  const key = operation.path.startsWith('/v1/tenants') ? PLATFORM_KEY : acme.adminKey;
  const acmes = idsOf(acme, turn);
  const ids: Ids = (collection, ...more) => (collection === '/v1/tenants' ? SPARE : acmes(collection, ...more));
  const { request } = requestTo(document, operation, { ids, seed: turn + 1 });
  if (!isStream(operation.path)) {
    return (await requestAs(cloud, key, request)).statusCode < 300;
  }
  const leave = new AbortController();
  const headers = { authorization: `Bearer ${key}` };
  const answer = await fetch(new URL(request.url, cloud.api.url), { headers, signal: leave.signal });
  expect(answer.status).toBe(200);
  leave.abort();
  // Its headers may come before its entry; the first event does not.
  return false;
}

describe('the audit', () => {
  it('has an entry of every operation, but of those that stand among the exempt', async () => {
    const [silent, missed]: [string[], string[]] = [[], []];
    for (const operation of own.filter((one) => !(nameOf(one) in exemptRoutes))) {
      const before = await entriesOfRequests();
      let left = false;
      for (let turn = 0; turn < ATTEMPTS && !left; turn += 1) {
        const succeeded = await ask(operation, turn);
        left = (await entriesOfRequests()) > before;
        if (succeeded && !left) break;
      }
      if (!left) (nameOf(operation) in unreached ? missed : silent).push(nameOf(operation));
    }
    expect(silent).toEqual([]);
    // What is reached after all stands there no longer.
    expect(missed.sort()).toEqual(Object.keys(unreached).sort());
  }, 60_000);

  it('has none of the exempt, and all of these exist', async () => {
    const exempt = own.filter((one) => nameOf(one) in exemptRoutes);
    expect(exempt.map(nameOf).sort()).toEqual(Object.keys(exemptRoutes).sort());
    for (const operation of exempt) {
      const before = await entriesOfRequests();
      await ask(operation, 0);
      expect([nameOf(operation), await entriesOfRequests()]).toEqual([nameOf(operation), before]);
    }
  });
});
