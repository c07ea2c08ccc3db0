import { describe, expect, it } from 'vitest';

import { LatestFrame } from './latest-frame.js';

const at = (monotonicMs: number): { monotonicMs: number; wallMs: number } => ({ monotonicMs, wallMs: 0 });

/** Fills and offers a frame of 2 × 1 pixels. */
function offer(latest: LatestFrame, tone: number): Uint8Array {
  const data = latest.buffer(6).fill(tone);
  latest.offer({ width: 2, height: 1, data }, at(tone));
  return data;
}

describe('the queue before a slow consumer', () => {
  it('hands out the newest frame, and counts those that it replaced', async () => {
    const latest = new LatestFrame();
    for (const tone of [1, 2, 3]) offer(latest, tone);
    await expect(latest.take()).resolves.toMatchObject({ index: 2, arrivedAt: at(3) });
    offer(latest, 4);
    await expect(latest.take()).resolves.toMatchObject({ index: 3 });
    expect([latest.arrived, latest.dropped]).toEqual([4, 2]);
  });

  it('lets a quick consumer wait for the next frame', async () => {
    const latest = new LatestFrame();
    const taking = latest.take();
    offer(latest, 9);
    expect((await taking)?.frame.data[0]).toBe(9);
  });

  it('never writes to a frame that is in use, and gets along with three buffers in shared memory', async () => {
    const latest = new LatestFrame();
    const buffers = new Set<unknown>();
    let tone = 0;
    let filling = latest.buffer(6);
    const arrive = (count: number): void => {
      for (; count > 0; count -= 1) {
        tone += 1;
        latest.offer({ width: 2, height: 1, data: filling.fill(tone) }, at(tone));
        // The next frame begins to come while this one is looked at.
        filling = latest.buffer(6).fill(255);
        buffers.add(filling.buffer);
      }
    };
    for (let round = 0; round < 60; round += 1) {
      arrive(1 + (round % 4));
      const taken = await latest.take();
      const newest = tone;
      arrive(round % 3);
      expect([...(taken?.frame.data ?? [])]).toEqual(Array(6).fill(newest));
    }
    expect(buffers.size).toBeLessThanOrEqual(3);
    expect([...buffers].every((buffer) => buffer instanceof SharedArrayBuffer)).toBe(true);
  });

  it('uses its buffers again, and lets those of another size go', async () => {
    const latest = new LatestFrame();
    const buffers = new Set<unknown>();
    for (let tone = 1; tone <= 30; tone += 1) {
      buffers.add(offer(latest, tone).buffer);
      if (tone % 2 === 0) await latest.take();
    }
    expect(buffers.size).toBe(3);
    expect(latest.buffer(60).byteLength).toBe(60);
    expect(buffers.has(latest.buffer(6).buffer)).toBe(false);
  });

  it('ends after what was waiting, once, with its error if there was one', async () => {
    const latest = new LatestFrame();
    offer(latest, 1);
    latest.finish(new Error('gone'));
    latest.finish();
    offer(latest, 2);
    expect((await latest.take())?.index).toBe(0);
    await expect(latest.take()).rejects.toThrow('gone');
    const waiting = new LatestFrame();
    const taking = waiting.take();
    waiting.finish();
    await expect(taking).resolves.toBeUndefined();
  });
});
