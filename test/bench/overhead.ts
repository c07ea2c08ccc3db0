import type { Frame } from '@sightline/vision';

import { times, type FrameRun, type FrameRuns, type RepeatedRuns } from './frame-runs.js';
import { faceCounts, perFrame, type PerFrame } from './frames.js';
import { perModel, type IsolatedModelRuns, type ModelRuns, type PerModel } from './isolated-models.js';
import { fastest, median } from './statistics.js';

/** Runs within a round: about as long for each frame. */
const runsOfFrame: PerFrame<number> = { 1: 8, 3: 5, 10: 3 };
const runsOfModel: PerModel<number> = { detector: 6, landmarks: 12, embedder: 8 };

export interface Round {
  readonly floor: PerModel<ModelRuns>;
  readonly frames: RepeatedRuns;
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
      const repeated = await ours.repeat(frames[faces], runsOfFrame[faces] * warming);
      if (round > 0) all[faces].push({ floor, frames: repeated });
    }
  }
  return all;
}

/** The time of a frame's calls alone, given that of one call of a model. */
function floorOf(calls: PerModel<number>, callMs: (model: keyof PerModel<unknown>) => number): number {
  const ofModel = perModel((model) => calls[model] * callMs(model));
  return ofModel.detector + ofModel.landmarks + ofModel.embedder;
}

/**
 * A frame's time over its floor. `overFloor` is the median over the rounds of the fastest frame over the fastest
 * runs; beside it the same of the fastest and of the medians of all rounds, and of CPU time.
 */
export function overhead(rounds: readonly Round[], calls: PerModel<number>) {
  const all = rounds.flatMap(({ frames }) => frames.runs);
  const runs = perModel((model) => rounds.flatMap(({ floor }) => floor[model].ms));
  const fastestFloor = floorOf(calls, (model) => fastest(runs[model]));
  const medianFloor = floorOf(calls, (model) => median(runs[model]));
  const stage = (name: keyof FrameRun['stageMs']) => median(all.map(({ stageMs }) => stageMs[name]));
  const overRounds = (ofModel: (runs: ModelRuns) => number, ofFrames: (runs: RepeatedRuns) => number): number =>
    median(rounds.map(({ floor, frames }) => ofFrames(frames) / floorOf(calls, (model) => ofModel(floor[model]))));
  return {
    overFloor: overRounds(
      (model) => fastest(model.ms),
      ({ runs }) => fastest(times(runs)),
    ),
    fastestOverFastest: fastest(times(all)) / fastestFloor,
    medianOverMedian: median(times(all)) / medianFloor,
    cpuOverCpu: overRounds(
      (model) => model.cpuMs,
      ({ cpuMs }) => cpuMs,
    ),
    frameMs: { fastest: fastest(times(all)), median: median(times(all)) },
    floorMs: { fastest: fastestFloor, median: medianFloor },
    modelMs: perModel((model) => median(rounds.map(({ floor }) => fastest(floor[model].ms)))),
    calls,
    stageMs: {
      detect: stage('detect'),
      landmarks: stage('landmarks'),
      align: stage('align'),
      embed: stage('embed'),
    },
  };
}
