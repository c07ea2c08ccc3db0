import { SightingPhase } from '@sightline/contracts';
import { describe, expect, it } from 'vitest';

import { ScriptedSource } from '../testing/fake-recognition.js';
import { phases, run, stage, times } from '../testing/pipeline-stage.js';

const { OPEN, UPDATE, CLOSE } = SightingPhase;

describe('a camera before which somebody leaves and comes back', () => {
  const policy = { cooldownMs: 2000 };
  /** Out of sight for a second, so that the sighting closes. */
  const backAgain = (person: number) => [
    ...times(6, { person: 1, x: 10 }),
    ...times(10),
    ...times(8, { person, x: 600 }),
    ...times(5),
  ];

  it('goes on with the closed sighting when the face is the same', async () => {
    const { pipeline, sightings, log } = stage(new ScriptedSource(backAgain(1)), { policy });
    await run(pipeline);
    expect(phases(sightings)).toEqual([OPEN, CLOSE, UPDATE, CLOSE]);
    expect(new Set(sightings.map(({ sightingId }) => sightingId)).size).toBe(1);
    expect(sightings.map(({ revision }) => revision)).toEqual([1, 2, 3, 4]);
    expect(sightings.at(-1)).toMatchObject({ frames: 14 });
    expect(pipeline.status.sightings).toBe(1);
    expect(log.codes).toEqual([]);
  });

  it('opens another for somebody else, and for the same face after the cooldown', async () => {
    const other = stage(new ScriptedSource(backAgain(2)), { policy });
    await run(other.pipeline);
    expect(new Set(other.sightings.map(({ sightingId }) => sightingId)).size).toBe(2);
    const late = stage(new ScriptedSource(backAgain(1)), { policy: { cooldownMs: 500 } });
    await run(late.pipeline);
    expect(phases(late.sightings)).toEqual([OPEN, CLOSE, OPEN, CLOSE]);
    expect(late.pipeline.status.sightings).toBe(2);
  });

  it('never makes one of two who were in one frame, however alike, before or after they closed', async () => {
    const twins = (left: number, right: number) => [
      { person: 1, x: left },
      { person: 1, x: right },
    ];
    const frames = [...times(6, ...twins(10, 600)), ...times(6), ...times(6, ...twins(150, 450)), ...times(5)];
    const { pipeline, sightings } = stage(new ScriptedSource(frames), { policy });
    await run(pipeline);
    const ids = [...new Set(sightings.map(({ sightingId }) => sightingId))];
    expect(ids).toHaveLength(2);
    for (const id of ids) {
      const own = sightings.filter(({ sightingId }) => sightingId === id);
      expect(phases(own)).toEqual([OPEN, CLOSE, UPDATE, CLOSE]);
      expect(own.at(-1)).toMatchObject({ frames: 12 });
    }
  });

  it('takes a look too short to be reported for a part of the sighting that it belongs to', async () => {
    const frames = [...times(6, { person: 1, x: 10 }), ...times(2), ...times(3, { person: 1, x: 600 }), ...times(9)];
    const { pipeline, sightings } = stage(new ScriptedSource(frames), { policy: { ...policy, openAfterShots: 5 } });
    await run(pipeline);
    expect(new Set(sightings.map(({ sightingId }) => sightingId)).size).toBe(1);
    expect(sightings.at(-1)).toMatchObject({ phase: CLOSE, frames: 9 });
  });
});

describe('a camera whose detector is unsure', () => {
  it('goes on with a sighting, and begins none', async () => {
    const unsure = { person: 1, x: 12, score: 0.3 };
    const frames = [
      ...times(4, unsure),
      ...times(4),
      ...times(6, { person: 1, x: 10 }),
      ...times(3, unsure),
      ...times(5),
    ];
    const { pipeline, sightings } = stage(new ScriptedSource(frames));
    await run(pipeline);
    expect(phases(sightings)).toEqual([OPEN, CLOSE]);
    expect(sightings[1]).toMatchObject({ frames: 6 });
    expect(sightings[1]?.firstSeenAt?.monotonicMs).toBe(1800n);
    expect(sightings[1]?.lastSeenAt?.monotonicMs).toBe(2600n);
  });
});

describe('a camera that is spared', () => {
  const sparing = {
    motionGate: { enabled: false, restMs: 2000, threshold: 4 },
    detectionRate: { steadyIntervalMs: 300, maximumIntervalMs: 500 },
  };

  it('searches some frames while somebody stands, all while they go, and makes the same sighting of it', async () => {
    const walk = Array.from({ length: 5 }, (_, step) => [{ person: 1, x: 10 + 40 * step }]);
    const frames = [...times(30, { person: 1, x: 10 }), ...walk, ...times(6)];
    const { pipeline, sightings, recogniser } = stage(new ScriptedSource(frames), {
      sparing,
      policy: { closeAfterMs: 600 },
    });
    await run(pipeline);
    expect(phases(sightings)).toEqual([OPEN, CLOSE]);
    expect(sightings[0]).toMatchObject({ frames: 3 });
    expect(pipeline.status.frames).toBe(41);
    expect(pipeline.status.sparedFrames).toBeGreaterThanOrEqual(17);
    expect(recogniser.searched).toBe(41 - pipeline.status.sparedFrames);
    expect(sightings[1]?.lastSeenAt?.monotonicMs).toBe(4400n);
  });
});
