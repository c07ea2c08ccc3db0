import type { Frame } from '@sightline/vision';

import { times, type FrameRun, type FrameRuns } from './frame-runs.js';
import { faceCounts, perFrame, type FaceCount, type PerFrame } from './frames.js';
import { callsOf, floorMs, type IsolatedModelRuns, type PerModel } from './isolated-models.js';
import { fastest, median } from './statistics.js';

/** Runs within a round: about as long for each frame. */
const runsOfFrame: PerFrame<number> = { 1: 8, 3: 5, 10: 3 };
const runsOfModel: PerModel<number> = { detector: 6, landmarks: 12, embedder: 8 };

export interface Round {
  readonly floor: PerModel<readonly number[]>;
  readonly frames: readonly FrameRun[];
}

/** Floor and frame in turns, so that both see the same machine. The first round warms up and is dropped. */
export async function overheadRounds(
  frames: PerFrame<Frame>,
  rounds: number,
  ours: FrameRuns,
  models: IsolatedModelRuns,
): Promise<PerFrame<readonly Round[]>> {
  const all = perFrame((): Round[] => []);
  for (let round = 0; round <= rounds; round++) {
    if (round % 10 === 0) console.error(`Frames and floor, round ${round} of ${rounds} …`);
    for (const faces of faceCounts) {
      const warming = round === 0 ? 4 : 1;
      const floor = await models.time(runsOfModel);
      const runs = await ours.repeat(frames[faces], runsOfFrame[faces] * warming);
      if (round > 0) all[faces].push({ floor, frames: runs });
    }
  }
  return all;
}

function merged(rounds: readonly Round[]): PerModel<readonly number[]> {
  const of = (model: keyof PerModel<unknown>) => rounds.flatMap(({ floor }) => floor[model]);
  return { detector: of('detector'), landmarks: of('landmarks'), embedder: of('embedder') };
}

/**
 * A frame's time over its floor. `overFloor` is the median over the rounds of the fastest frame over the fastest
 * runs; beside it the same ratio of the fastest and of the medians of all rounds.
 */
export function overhead(rounds: readonly Round[], faces: FaceCount) {
  const all = rounds.flatMap(({ frames }) => frames);
  const floor = merged(rounds);
  const stage = (name: keyof FrameRun['stageMs']) => median(all.map(({ stageMs }) => stageMs[name]));
  return {
    overFloor: median(rounds.map((round) => fastest(times(round.frames)) / floorMs(round.floor, faces, fastest))),
    fastestOverFastest: fastest(times(all)) / floorMs(floor, faces, fastest),
    medianOverMedian: median(times(all)) / floorMs(floor, faces, median),
    frameMs: { fastest: fastest(times(all)), median: median(times(all)) },
    floorMs: { fastest: floorMs(floor, faces, fastest), median: floorMs(floor, faces, median) },
    calls: callsOf(faces),
    stageMs: {
      detect: stage('detect'),
      landmarks: stage('landmarks'),
      align: stage('align'),
      embed: stage('embed'),
    },
  };
}
