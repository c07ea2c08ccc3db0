import { silentLogger } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { enrolAlong } from '../testing/enrol.js';
import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { countGallery } from './gallery-feed.js';
import { stateGalleryMemory } from './gallery-memory.js';

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

describe('the memory of a flat gallery', () => {
  it('is known before it is filled, and refused in words where it is more than there may be', async () => {
    const { database } = cloud.api;
    await enrolAlong(cloud.api, 'One', 1);
    await enrolAlong(cloud.api, 'Two', 2);
    const partitions = await countGallery(database);
    expect(partitions).toMatchObject([{ templates: 2 }]);
    await stateGalleryMemory(database, { ceilingBytes: 1e9, log: silentLogger });
    await stateGalleryMemory(database, { ceilingBytes: undefined, log: silentLogger });
    await expect(stateGalleryMemory(database, { ceilingBytes: 1e6, log: silentLogger })).rejects.toMatchObject({
      code: 'GALLERY.FULL',
      details: { templates: 2, ceiling: 1 },
    });
  });
});
