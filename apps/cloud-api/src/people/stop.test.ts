import { expect, it } from 'vitest';

import { startCloudWithModels, testPhotos } from '../testing/photos.js';
import { ADMIN_KEY } from '../testing/test-cloud.js';

it('a stop lets photos that are worked on be answered, and tells the others to try again', async () => {
  const cloud = await startCloudWithModels();
  const photo = new Uint8Array((await testPhotos()).group);
  const identify = async () => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'image/jpeg' };
    const response = await fetch(new URL('/v1/identify', cloud.api.url), { method: 'POST', headers, body: photo });
    const { code = 'identified' } = (await response.json()) as { code?: string };
    return code;
  };
  try {
    expect(await identify()).toBe('identified');
    const answers = Array.from({ length: 20 }, identify);
    await Promise.race(answers);
    await cloud.api.stop();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['identified', 'SERVICE.UNAVAILABLE']));
  } finally {
    await cloud.stop();
  }
});
