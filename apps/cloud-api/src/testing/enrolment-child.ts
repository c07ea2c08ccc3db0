import { createHash } from 'node:crypto';

import { systemClock } from '@sightline/kernel';
import type { Face } from '@sightline/recognition';

import type { ActiveRelease } from '../releases/active-release.js';
import { startWith } from '../start-cloud-api.js';
import { childConfig } from './child-config.js';
import { DIMENSION, fakeRelease, templateOf } from './fake-release.js';

// A cloud API in a process of its own, to be killed while it enrols. Everything is real but the recogniser, which sees one
// face in every photo, and takes its time.

/** How the parent starts it. */
export interface EnrolmentChildOptions {
  readonly databaseUrl: string;
  readonly redisUrl?: string;
  readonly mqtt: { readonly url: string; readonly username: string; readonly password: string };
  readonly adminKey: string;
  readonly dataDirectory: string;
  readonly keyStoreDirectory: string;
  /** What one photo takes, ms. */
  readonly photoMs: number;
}

process.once('message', (options) => {
  void run(options as EnrolmentChildOptions).catch((error: unknown) => {
    process.send?.({ kind: 'failed', error: String(error) }, () => process.exit(1));
  });
});
// A parent that has died leaves nobody behind.
process.once('disconnect', () => process.exit());

async function run({ photoMs, ...surroundings }: EnrolmentChildOptions): Promise<void> {
  const api = await startWith(childConfig(surroundings), { open: () => Promise.resolve(seeingRelease(photoMs)) });
  process.send?.({ kind: 'started', url: api.url });
}

function seeingRelease(photoMs: number): ActiveRelease {
  const release = fakeRelease();
  const stageMs = { detect: 0, landmarks: 0, align: 0, embed: 0 };
  const point = { x: 0, y: 0 };
  return {
    ...release,
    recogniser: {
      ...release.recogniser,
      detect: async (frame) => {
        await systemClock.sleep(photoMs);
        const aligned = new Uint8Array(createHash('sha256').update(frame.data).digest());
        const face: Face = {
          box: { x: 0, y: 0, width: 100, height: 100 },
          ...{ score: 1, quality: 0.9, aligned, fivePoints: [point, point, point, point, point] },
        };
        return { faces: [face], stageMs };
      },
      embed: (faces, { protector, codec }) => {
        const templates = faces.map(({ aligned }) => {
          const embedding = Float32Array.from({ length: DIMENSION }, (_, index) => (aligned[index] ?? 0) - 127.5);
          return templateOf(embedding, protector, { codec });
        });
        return Promise.resolve({ templates, embedMs: 0 });
      },
    },
  };
}
