import { SightingPhase, type rest } from '@sightline/contracts';
import { newSightingId } from '@sightline/kernel';
import type { TemplateProtector } from '@sightline/template-protection';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TemplateKeys } from '../template-keys/template-keys.js';
import { enrolAlong } from '../testing/enrol.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, wireTemplate, type TestDevice } from '../testing/test-device.js';

let cloud: TestCloud;
let device: TestDevice;
let protector: TemplateProtector;

beforeAll(async () => {
  cloud = await startTestCloud();
  device = await startTestDevice(cloud, 'box-1');
  protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
});
afterAll(() => cloud.stop());

const getSighting = async (id: string): Promise<rest.Sighting> =>
  (await cloud.request({ url: `/v1/sightings/${id}` })).json<rest.Sighting>();

describe('ingest', () => {
  it('stores a sighting, identifies it and answers after the commit', async () => {
    const { id: ada } = await enrolAlong(cloud.api, 'Ada', 0);
    const sightingId = newSightingId();
    const shots = [templateOf(axis(0, 0.2), protector)].map(wireTemplate);
    await device.send([{ sequence: 1, payload: sightingPayload({ sightingId, templates: shots }) }]);
    const ack = await device.acked(1);
    expect(ack).toMatchObject({ streamId: device.streamId, correlationId: 'c', window: 4 });
    const stored = await getSighting(sightingId);
    expect(stored).toMatchObject({
      id: sightingId,
      deviceId: 'box-1',
      siteId: 'lobby',
      phase: 'open',
      decision: { outcome: 'identified', person: { id: ada, name: 'Ada' }, threshold: 0.5, falseMatchRate: 1e-3 },
    });
    expect(stored.decision.score).toBeGreaterThan(0.95);
    expect(Object.keys(stored.stageMs).sort()).toEqual(['align', 'detect', 'embed', 'identify', 'landmarks']);
    expect(stored.stageMs.identify).toBeGreaterThan(0);
    expect(device.identifications.at(-1)).toMatchObject({ sightingId, personId: ada, revision: 1, sequence: 1n });
  });

  it('counts nothing twice when a batch is sent again, and answers it with the stored decision', async () => {
    const sightingId = newSightingId();
    const shots = [wireTemplate(templateOf(axis(7), protector))];
    const records = [{ sequence: 2, payload: sightingPayload({ sightingId, templates: shots }) }];
    await device.send(records);
    await device.acked(2);
    const before = device.identifications.length;
    device.acks.length = 0;
    await enrolAlong(cloud.api, 'Grace', 7);
    await device.send(records);
    await device.acked(2);
    // Grace would match now; the stored decision stands.
    expect(device.identifications.slice(before).map(({ outcome }) => outcome)).toEqual([
      device.identifications[before - 1]?.outcome,
    ]);
    const { rows } = await cloud.api.database.db.execute(
      sql`SELECT count(*)::int AS n FROM cloud.ingest_record WHERE stream_id = ${device.streamId}`,
    );
    expect(rows).toEqual([{ n: 2 }]);
    expect((await getSighting(sightingId)).decision.outcome).toBe('unknown');
  });

  it('keeps the highest revision, whatever order revisions come in', async () => {
    const sightingId = newSightingId();
    const revision = (number: number, phase: SightingPhase) => sightingPayload({ sightingId, revision: number, phase });
    await device.send([
      { sequence: 5, payload: revision(3, SightingPhase.CLOSE) },
      { sequence: 3, payload: revision(1, SightingPhase.OPEN) },
    ]);
    await device.acked(3);
    expect(await getSighting(sightingId)).toMatchObject({ revision: 3, phase: 'close' });
    await device.send([{ sequence: 4, payload: revision(2, SightingPhase.UPDATE) }]);
    await device.acked(5);
    expect(await getSighting(sightingId)).toMatchObject({ revision: 3, phase: 'close' });
  });
});
