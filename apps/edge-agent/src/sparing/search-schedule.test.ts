import type { Frame } from '@sightline/vision';
import { describe, expect, it } from 'vitest';

import { defaultSparingPolicy, nobody, SearchSchedule, type Followed, type SparingPolicy } from './search-schedule.js';

const [width, height] = [160, 90];
const CLOSE_AFTER_MS = 1000;
const FRAME_MS = 100;

/** A dark room; something bright of 20 pixels from `x` on. */
function picture(x?: number): Frame {
  const data = new Uint8Array(width * height * 3);
  if (x !== undefined)
    for (let row = 30; row < 50; row += 1) data.fill(200, (row * width + x) * 3, (row * width + x + 20) * 3);
  return { width, height, data };
}

const standing: Followed = { unsettled: false, steady: [{ x: 60, y: 20, width: 20, height: 25 }] };

interface Shown {
  readonly frame: Frame;
  readonly followed: Followed;
}

/** Shows frames ten times a second. @returns the numbers of those that were searched */
function searched(schedule: SearchSchedule, shown: readonly Shown[], tookMs = 10): readonly number[] {
  return shown.flatMap(({ frame, followed }, index) => {
    if (!schedule.wants(frame, index * FRAME_MS, followed, CLOSE_AFTER_MS)) return [];
    schedule.searched(index * FRAME_MS, tookMs);
    return [index];
  });
}

const times = (count: number, frame: Frame, followed = nobody): readonly Shown[] =>
  Array.from({ length: count }, () => ({ frame, followed }));

const withRate = (detectionRate: Partial<SparingPolicy['detectionRate']>, enabled = true): SparingPolicy => ({
  motionGate: { ...defaultSparingPolicy.motionGate, enabled },
  detectionRate: { ...defaultSparingPolicy.detectionRate, ...detectionRate },
});

describe('which frames are searched', () => {
  it('are the first moments, and then one in two seconds while nothing moves: who was there is found', () => {
    const frames = searched(new SearchSchedule(defaultSparingPolicy), times(80, picture()));
    expect(frames.slice(0, 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(frames.slice(10)).toEqual([26, 43, 60, 77]);
  });

  it('are all while something moves, and for a second after', () => {
    const moving = Array.from({ length: 10 }, (_, index) => ({ frame: picture(20 + index * 5), followed: nobody }));
    const frames = searched(new SearchSchedule(defaultSparingPolicy), [...times(40, picture()), ...moving, ...times(130, picture(65))]); // prettier-ignore
    expect(frames).toEqual(expect.arrayContaining(Array.from({ length: 20 }, (_, index) => 40 + index)));
    // What came and stays is background after some seconds.
    expect(frames.filter((index) => index >= 145).length).toBeLessThanOrEqual(3);
  });

  it('are all while anybody is young, lost or fast', () => {
    const unsettled = { ...standing, unsettled: true };
    expect(searched(new SearchSchedule(defaultSparingPolicy), times(30, picture(), unsettled))).toHaveLength(30);
  });

  it('are some while everybody is known and steady, also when they move their arms', () => {
    const arms = Array.from({ length: 20 }, (_, index) => ({
      frame: picture(50 + (index % 2) * 15),
      followed: standing,
    }));
    const frames = searched(new SearchSchedule(defaultSparingPolicy), [...times(20, picture(50), standing), ...arms]);
    expect(frames).toEqual(Array.from({ length: 14 }, (_, index) => index * 3));
  });

  it('are all again when somebody else moves', () => {
    const other = Array.from({ length: 5 }, (_, index) => ({ frame: picture(110 + index * 5), followed: standing }));
    const frames = searched(new SearchSchedule(defaultSparingPolicy), [...times(20, picture(), standing), ...other]);
    expect(frames.slice(-5)).toEqual([20, 21, 22, 23, 24]);
  });

  it('are fewer while the box cannot keep up, within bounds', () => {
    const busy = searched(
      new SearchSchedule(withRate({ maximumIntervalMs: 450 })),
      times(41, picture(), standing),
      400,
    );
    expect(busy.slice(2).map((index, at) => index - (busy[at + 1] ?? 0))).toEqual(Array(busy.length - 2).fill(4));
    // A track that is lost between two searches must be found before it closes.
    const bound = searched(new SearchSchedule(withRate({ maximumIntervalMs: 9000 })), times(41, picture(), standing), 4000); // prettier-ignore
    expect(bound.slice(2).map((index, at) => index - (bound[at + 1] ?? 0))).toEqual(Array(bound.length - 2).fill(5));
  });

  it('are all without a gate, but for those who stand', () => {
    const schedule = new SearchSchedule(withRate({}, false));
    expect(searched(schedule, times(30, picture()))).toHaveLength(30);
    expect(searched(new SearchSchedule(withRate({ steadyIntervalMs: 0 }, false)), times(9, picture(), standing))).toHaveLength(9); // prettier-ignore
  });
});
