import { openRecogniser } from '@sightline/recognition';
import { defaultBundle, samplePhotos } from '@sightline/testing';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

import type { ReleaseSource } from '../releases/active-release.js';
import { ADMIN_KEY, startTestCloud } from '../testing/test-cloud.js';

const releaseSource: ReleaseSource = {
  open: async () => {
    const bundle = await defaultBundle();
    const { manifest, digest } = bundle;
    return { manifest, digest, recogniser: await openRecogniser({ bundle, workers: 1 }) };
  },
};

it('a stop lets photos that are worked on be answered, and tells the others to try again', async () => {
  const cloud = await startTestCloud({ releaseSource });
  const photo = new Uint8Array(await readFile(samplePhotos()[0] ?? ''));
  const identify = async () => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'image/jpeg' };
    const response = await fetch(new URL('/v1/identify', cloud.api.url), { method: 'POST', headers, body: photo });
    const { code = 'identified' } = (await response.json()) as { code?: string };
    return code;
  };
  try {
    await expect.poll(identify, { timeout: 10_000 }).toBe('identified');
    const answers = Array.from({ length: 20 }, identify);
    await Promise.race(answers);
    await cloud.api.stop();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['identified', 'SERVICE.UNAVAILABLE']));
  } finally {
    await cloud.stop();
  }
});
