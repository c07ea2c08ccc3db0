import { create } from '@bufbuild/protobuf';
import { PresentationAttackSchema } from '@sightline/contracts';
import { describe, expect, it } from 'vitest';

import { presentationFromWire } from './presentation.js';

const of = (liveScore: number, shots: number, requiredLiveScore: number) =>
  presentationFromWire(create(PresentationAttackSchema, { liveScore, shots, requiredLiveScore }));

describe('a presentation', () => {
  it('that is only reported refuses nobody', () => {
    expect(presentationFromWire(undefined)).toEqual({ liveScore: null });
    expect(of(0.01, 3, 0)).toEqual({ liveScore: 0.01 });
    expect(of(0, 0, 0)).toEqual({ liveScore: null });
  });

  it('that must be live is refused below what was required, and when nothing was scored', () => {
    expect(of(0.5, 3, 0.5)).toEqual({ liveScore: 0.5 });
    expect(of(0.25, 3, 0.5)).toEqual({ liveScore: 0.25, refusalCode: 'PRESENTATION.NOT_LIVE' });
    expect(of(0, 0, 0.5)).toEqual({ liveScore: null, refusalCode: 'PRESENTATION.NOT_ASSESSED' });
  });

  it('of values that cannot be is none', () => {
    for (const [score, required] of [
      [NaN, 0],
      [1.5, 0],
      [0.5, -1],
      [0.5, NaN],
    ] as const) {
      expect(of(score, 1, required)).toBeUndefined();
    }
  });
});
