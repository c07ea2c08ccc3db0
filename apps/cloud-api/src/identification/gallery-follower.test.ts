import type { rest } from '@sightline/contracts';
import { newSightingId, silentLogger, type PersonId } from '@sightline/kernel';
import { asc } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { galleryChange } from '../storage/schema.js';
import type { StartedCloudApi } from '../start-cloud-api.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { enrolAlong } from '../testing/enrol.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, wireTemplate } from '../testing/test-device.js';
import { countGallery } from './gallery-feed.js';
import { stateGalleryMemory } from './gallery-memory.js';
import { decide, Identification } from './identification.js';

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

async function searchAlong(api: StartedCloudApi, axisIndex: number) {
  const protector = await api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const shots = [templateOf(axis(axisIndex), protector)];
  const [result] = await api.app.get(Identification).search([{ tenantId: TENANT, shots }]);
  if (result === undefined) throw new Error('a probe without a result');
  return result;
}
const everybody = () => true;

describe('the gallery', () => {
  it('has everybody whose concurrent enrolment was answered, with versions that leave no gap', async () => {
    const enrolled = await Promise.all(Array.from({ length: 8 }, (_, index) => enrolAlong(cloud.api, 'P', index)));
    for (const [index, { id }] of enrolled.entries()) {
      expect(decide(await searchAlong(cloud.api, index), everybody)).toMatchObject({ personId: id });
    }
    const rows = await cloud.api.database.db.select().from(galleryChange).orderBy(asc(galleryChange.version));
    expect(rows.map(({ version }) => version)).toEqual(rows.map((_, index) => index + 1));
    expect(new Set(enrolled.map(({ version }) => version)).size).toBe(8);
  });

  it('needs memory that is known before it is filled, and is refused in words where there is less', async () => {
    const { database } = cloud.api;
    const [partition] = await countGallery(database);
    const templates = partition?.templates ?? 0;
    expect(templates).toBeGreaterThanOrEqual(8);
    await stateGalleryMemory(database, { ceilingBytes: 1e9, log: silentLogger });
    await stateGalleryMemory(database, { ceilingBytes: undefined, log: silentLogger });
    await expect(stateGalleryMemory(database, { ceilingBytes: 1e6, log: silentLogger })).rejects.toMatchObject({
      code: 'GALLERY.FULL',
      details: { templates, ceiling: 1 },
    });
  });

  it('does not name somebody who was erased between the search and the decision', async () => {
    const { id } = await enrolAlong(cloud.api, 'Gone', 9);
    const result = await searchAlong(cloud.api, 9);
    expect(decide(result, everybody)).toMatchObject({ outcome: 'identified', personId: id });
    expect(decide(result, (personId: PersonId) => personId !== id)).toMatchObject({ outcome: 'unknown' });
  });

  it('finds an erased person no more, and their sightings keep no name', async () => {
    const { id } = await enrolAlong(cloud.api, 'Erased', 11);
    const device = await startTestDevice(cloud, 'box-1');
    const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
    const sightingId = newSightingId();
    const templates = [wireTemplate(templateOf(axis(11), protector))];
    await device.send([{ sequence: 1, payload: sightingPayload({ sightingId, templates }) }]);
    await device.acked(1);
    const read = async () => (await cloud.request({ url: `/v1/sightings/${sightingId}` })).json<rest.Sighting>();
    expect((await read()).decision.person).toEqual({ id, name: 'Erased' });

    expect((await cloud.request({ method: 'DELETE', url: `/v1/people/${id}` })).statusCode).toBe(204);
    expect(decide(await searchAlong(cloud.api, 11), everybody)).toMatchObject({ outcome: 'unknown' });
    const after = await cloud.request({ url: `/v1/sightings/${sightingId}` });
    expect(after.json<rest.Sighting>().decision.person).toBeNull();
    expect(after.body).not.toContain(id);
    await device.connection.close();
  });

  // Last: this process is stopped.
  it('is whole again after a restart, under the same template key', async () => {
    await cloud.api.stop();
    const next = await cloud.restart();
    const result = await searchAlong(next, 3);
    expect(decide(result, everybody)).toMatchObject({ outcome: 'identified' });
    expect(decide(await searchAlong(next, 11), everybody)).toMatchObject({ outcome: 'unknown' });
  });
});
