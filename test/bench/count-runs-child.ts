import { defaultBundle } from '@sightline/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';

import { announcements } from './announce-runs.js';
import { FrameRuns } from './frame-runs.js';
import { composeFrame, faceCounts } from './frames.js';

const ours = await FrameRuns.open(await defaultBundle(), 1);
let shapes: (readonly number[])[] = [];
const channel = new BroadcastChannel(announcements);
channel.onmessage = (event) => {
  shapes.push(...(event as { readonly data: readonly (readonly number[])[] }).data);
};

/** Announcements come by another way than the frame's answer: the last may be late. */
const SETTLE_MS = 200;

const runs: Record<string, readonly (readonly number[])[]> = {};
for (const faces of faceCounts) {
  const frame = await composeFrame(faces);
  shapes = [];
  await ours.run(frame);
  await sleep(SETTLE_MS);
  runs[faces] = shapes;
}
channel.close();
await ours.close();
process.send?.(runs);
process.disconnect();
