import type { rest } from '@sightline/contracts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { enrolAlong } from '../testing/enrol.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { startTestDevice } from '../testing/test-device.js';
import { ROWS } from './expired-rows.js';
import { Retentions } from './retentions.js';

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
  await startTestDevice(cloud, 'box-1');
  const { id } = await enrolAlong(cloud.api, 'Ada', 0);
  // One sighting a day of the last 120 days, and on the oldest day more than one statement takes.
  await execute(sql`
    INSERT INTO cloud.sighting (tenant_id, id, device_id, site_id, camera_id, phase, revision, first_seen_at, last_seen_at,
      device_first_seen_ms, device_last_seen_ms, boot_id, clock_synchronised, dating, received_at, latency_ms, quality,
      frames, replayed, release_digest, trial_arm, stage_ms)
    SELECT ${TENANT}, gen_random_uuid(), 'box-1', 'lobby', 'door', 'close', 1, at, at, 0, 0, 'b', true, 'monotonic', at, 1,
      0.8, 5, false, 'd', '', '{}'
    FROM (SELECT now() - interval '12 hours' - least(n, 119) * interval '1 day' AS at
      FROM generate_series(0, ${119 + ROWS}) AS n) AS days`);
  await execute(sql`
    INSERT INTO cloud.identification (tenant_id, sighting_id, revision, outcome, person_id, threshold, false_match_rate,
      identify_ms, decided_at)
    SELECT tenant_id, id, 1, 'identified', ${id}, 0.5, 1e-3, 1, first_seen_at FROM cloud.sighting`);
  await execute(sql`
    INSERT INTO cloud.quarantine (id, tenant_id, device_id, code, detail, bytes, payload_sha256, received_at)
    SELECT gen_random_uuid(), ${TENANT}, 'box-1', 'MQTT.MALFORMED_MESSAGE', '', 0, decode(md5(n::text), 'hex'),
      now() - n * interval '1 day' FROM generate_series(0, 99) AS n`);
});
afterAll(() => cloud.stop());

const execute = (query: ReturnType<typeof sql>) => cloud.api.database.db.execute(query);
const pass = () => cloud.api.app.get(Retentions).pass(new AbortController().signal);
const preview = async (payload: object) =>
  (await cloud.request({ method: 'POST', url: '/v1/retention/preview', payload })).json<rest.RetentionPreview>().kinds;
const put = (payload: object) => cloud.request({ method: 'PUT', url: '/v1/retention', payload });
async function counts() {
  const { rows } = await execute(sql`SELECT (SELECT count(*)::int FROM cloud.sighting) AS sightings,
    (SELECT count(*)::int FROM cloud.identification) AS decisions,
    (SELECT count(*)::int FROM cloud.identification WHERE person_id IS NOT NULL) AS people,
    (SELECT count(*)::int FROM cloud.quarantine) AS quarantine`);
  return rows[0];
}

describe('retention', () => {
  it('has defaults', async () => {
    expect((await cloud.request({ url: '/v1/retention' })).json()).toEqual({
      kinds: [
        { kind: 'sightings', days: 90, isDefault: true },
        { kind: 'identifications', days: 90, isDefault: true },
        { kind: 'quarantine', days: 30, isDefault: true },
        { kind: 'device-health', days: 180, isDefault: true },
        { kind: 'images', days: 14, isDefault: true },
        { kind: 'drift-reports', days: 400, isDefault: true },
        { kind: 'alerts', days: 90, isDefault: true },
      ],
    });
  });

  it('says beforehand what it would delete, and deletes nothing then', async () => {
    const before = await counts();
    expect(await preview({ identifications: 10, quarantine: null })).toEqual([
      { kind: 'sightings', days: 90, rows: 30 + ROWS },
      { kind: 'identifications', days: 10, rows: 110 + ROWS },
      { kind: 'quarantine', days: null, rows: 0 },
      { kind: 'device-health', days: 180, rows: 0 },
      { kind: 'images', days: 14, rows: 0 },
      { kind: 'drift-reports', days: 400, rows: 0 },
      { kind: 'alerts', days: 90, rows: 0 },
    ]);
    expect(await counts()).toEqual(before);
  });

  it('deletes what has expired, however much it is, and the decisions with their sightings', async () => {
    expect((await put({ quarantine: 50 })).statusCode).toBe(200);
    await pass();
    expect(await counts()).toEqual({ sightings: 90, decisions: 90, people: 90, quarantine: 50 });
  });

  it('lets sightings forget whom they were of, before they go', async () => {
    await put({ identifications: 10, sightings: null });
    await pass();
    expect(await counts()).toEqual({ sightings: 90, decisions: 90, people: 10, quarantine: 50 });
    const page = (await cloud.request({ url: '/v1/sightings?limit=500' })).json<rest.SightingPage>();
    expect(page.items).toHaveLength(90);
    expect(page.items.at(-1)?.decision).toMatchObject({ outcome: 'identified', person: null });
    await pass();
    expect(await counts()).toMatchObject({ people: 10 });
  });

  it('refuses a time that is none', async () => {
    for (const payload of [{ sightings: 0 }, { sightings: 1.5 }, { audit: 3 }]) {
      expect((await put(payload)).json()).toMatchObject({ code: 'REQUEST.INVALID' });
    }
  });
});
