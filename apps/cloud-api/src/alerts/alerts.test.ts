import { inTransaction } from '@sightline/database';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

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
});
