import { describe, expect, it } from 'vitest';

import { correct, fit, isOutside, isTrackable, motionFrom, predict, type BoxMotion } from './tracking-motion.js';

const box = (x: number, size = 100) => ({ x: x - size / 2, y: 100, width: size, height: size });

/** A face that moves right by so many pixels a second, seen at these times. */
function seenAt(times: readonly number[], speed: number): BoxMotion {
  let last = times[0] ?? 0;
  let motion = motionFrom(box(0));
  for (const time of times.slice(1)) {
    motion = correct(predict(motion, time - last), box(time * speed));
    last = time;
  }
  return motion;
}

describe('the motion of a box', () => {
  it('learns the same speed whatever the frame rate and however uneven', () => {
    const even = seenAt([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 200);
    const uneven = seenAt([0, 0.05, 0.2, 0.21, 0.45, 0.6], 200);
    expect(even.x.speed).toBeGreaterThan(150);
    expect(even.x.speed).toBeLessThan(220);
    expect(Math.abs(uneven.x.speed - even.x.speed)).toBeLessThan(30);
  });

  it('expects the same after one long wait as after two short ones', () => {
    const motion = seenAt([0, 0.1, 0.2], 300);
    const [once, twice] = [predict(motion, 0.7), predict(predict(motion, 0.3), 0.4)];
    for (const key of ['value', 'speed', 'valueVariance', 'covariance', 'speedVariance'] as const) {
      expect(twice.x[key]).toBeCloseTo(once.x[key], 6);
    }
  });

  it('grows doubtful while nothing is seen, and comes to a halt', () => {
    const motion = seenAt([0, 0.1, 0.2, 0.3], 300);
    const [soon, late, never] = [predict(motion, 0.2), predict(motion, 2), predict(motion, 1e12)];
    expect(late.x.valueVariance).toBeGreaterThan(soon.x.valueVariance);
    expect(fit(late, box(60)).logLikelihood).toBeLessThan(fit(soon, box(60)).logLikelihood);
    expect(Math.abs(never.x.speed)).toBeLessThan(1e-9);
    expect(never.x.value - motion.x.value).toBeLessThan(301);
  });

  it('measures in face sizes: twice as large and twice as far away fits as well', () => {
    const small = fit(predict(motionFrom(box(0, 100)), 0.1), box(30, 110));
    const large = fit(predict(motionFrom({ x: -100, y: 200, width: 200, height: 200 }), 0.1), {
      x: -50,
      y: 200,
      width: 220,
      height: 220,
    });
    expect(large.logLikelihood).toBeCloseTo(small.logLikelihood, 9);
  });

  it('is the surer of its place the more often it looked, and less sure after a faint look', () => {
    const once = motionFrom(box(0));
    const sure = correct(predict(once, 0.1), box(0));
    const faint = correct(predict(once, 0.1), box(0), 2);
    expect(sure.x.valueVariance).toBeLessThan(once.x.valueVariance);
    expect(faint.x.valueVariance).toBeGreaterThan(sure.x.valueVariance);
  });

  it('knows when a face must have left the frame', () => {
    const frame = { width: 640, height: 480 };
    const leaving = predict(seenAt([0, 0.1, 0.2, 0.3], -200), 0.1);
    expect(isOutside(leaving, frame)).toBe(true);
    expect(isOutside(motionFrom(box(320)), frame)).toBe(false);
  });

  it('refuses boxes that no picture has', () => {
    expect(isTrackable(box(10))).toBe(true);
    for (const wrong of [Number.NaN, Infinity, 1e300]) {
      expect(isTrackable({ ...box(10), x: wrong })).toBe(false);
      expect(isTrackable({ ...box(10), height: wrong })).toBe(false);
    }
    expect(isTrackable({ ...box(10), width: 0 })).toBe(false);
    expect(isTrackable({ ...box(10), height: -1 })).toBe(false);
  });
});
