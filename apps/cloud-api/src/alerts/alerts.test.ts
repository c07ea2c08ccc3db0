import type { rest } from '@sightline/contracts';
import { inTransaction } from '@sightline/database';
import { newPersonId, newSightingId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Retentions } from '../retention/retentions.js';
import { enrolPeople } from '../testing/enrol.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { Alerts } from './alerts.js';
import type { NewAlert } from './raise-alert.js';

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

const drift: NewAlert = { kind: 'drift', tenantId: TENANT, dedupeKey: 'drift/door/2026-01', details: { psi: 0.4 } };

describe('an alert', () => {
  it('is raised once for its key, and again once it is retracted', async () => {
    const { database, app } = cloud.api;
    const raise = () => inTransaction(database, (tx) => app.get(Alerts).raise(tx, drift));
    const id = await raise();
    expect(id).toEqual(expect.any(String));
    expect(await raise()).toBeUndefined();
    await database.db.execute(sql`UPDATE cloud.alert SET retracted_at = now(), retraction = 'reviewed'`);
    expect(await raise()).not.toBe(id);
  });

  it('is there only if what it is about is', async () => {
    const { database, app } = cloud.api;
    const raised = inTransaction(database, async (tx) => {
      await app.get(Alerts).raise(tx, { ...drift, dedupeKey: 'drift/other' });
      throw new Error('it did not happen');
    });
    await expect(raised).rejects.toThrow('it did not happen');
    const { rows } = await database.db.execute(sql`SELECT FROM cloud.alert WHERE dedupe_key = 'drift/other'`);
    expect(rows).toEqual([]);
  });

  it('of somebody who is merged names who stays, and whom it named before once that is undone', async () => {
    const { database, app } = cloud.api;
    const [into, from = newPersonId()] = (await enrolPeople(cloud.api, [{ name: 'Ada' }, { name: 'Ada L.' }])).ids;
    const seen = { watchList: 'banned', sightingId: newSightingId(), revision: 1, score: 0.7 };
    const raised = { kind: 'watch-list' as const, tenantId: TENANT, dedupeKey: 'merged', personId: from };
    const id = await inTransaction(database, (tx) => app.get(Alerts).raise(tx, { ...raised, ...seen }));
    const named = async () => (await cloud.request({ url: `/v1/alerts/${id}` })).json<rest.AlertDetail>().personId;
    const post = (url: string, payload: object = {}) => cloud.request({ method: 'POST', url, payload });
    const merge = (await post(`/v1/people/${into}/merge`, { from })).json<rest.Merge>();
    expect(await named()).toBe(into);
    expect((await post(`/v1/merges/${merge.id}/undo`)).statusCode).toBe(200);
    expect(await named()).toBe(from);
  });

  it('is deleted with its log once its time is over', async () => {
    const { database, app } = cloud.api;
    await database.db.execute(
      sql`UPDATE cloud.alert SET raised_at = now() - interval '91 days' WHERE dedupe_key = 'merged'`,
    );
    const count = async () => (await cloud.request({ url: '/v1/alerts' })).json<rest.AlertPage>().items.length;
    const before = await count();
    await app.get(Retentions).pass(new AbortController().signal);
    expect(await count()).toBe(before - 1);
  });

  it('is raised of watch-lists as the tenant says', async () => {
    const defaults = { cooldownSeconds: 300, cooldownPlace: 'camera', lateAfterSeconds: 60, maximumAgeSeconds: 86_400 };
    expect((await cloud.request({ url: '/v1/alert-policy' })).json()).toEqual(defaults);
    const payload = { ...defaults, cooldownSeconds: 0, cooldownPlace: 'site' };
    const put = (policy: object) => cloud.request({ method: 'PUT', url: '/v1/alert-policy', payload: policy });
    expect((await put(payload)).statusCode).toBe(200);
    expect((await cloud.request({ url: '/v1/alert-policy' })).json()).toEqual(payload);
    expect((await put({ ...defaults, maximumAgeSeconds: 1 })).statusCode).toBe(400);
  });
});
