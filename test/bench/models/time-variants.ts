import type { ProofInput } from '@sightline/model-tools';
import { openSession, Tensor, type OnnxSession } from '@sightline/onnx-runtime';

import { fastest, median } from '../statistics.js';

export interface VariantTimes {
  readonly ms: number;
  /** Of eight at once; undefined where the model takes one at a time. */
  readonly batch8MsPerFace: number | undefined;
  /** The medians over the rounds of its time over that of the first variant in the same round. */
  readonly ratio: number;
  readonly batch8Ratio: number | undefined;
}

const BATCH = 8;
/** Runs in a turn: the fastest counts. */
const RUNS = 5;

/** One thread each, in turns, so that whatever else the machine does disturbs all alike. */
export async function timeVariants(
  models: ReadonlyMap<string, Uint8Array>,
  input: ProofInput,
  rounds: number,
): Promise<ReadonlyMap<string, VariantTimes>> {
  const sessions = new Map<string, OnnxSession>();
  for (const [key, bytes] of models) sessions.set(key, await openSession(bytes));
  const single = await turns(sessions, tensorOf(input, 1), rounds);
  const takeMany = new Map([...sessions].filter(([, { inputs }]) => typeof inputs[0]?.shape[0] === 'string'));
  const several = await turns(takeMany, tensorOf(input, BATCH), Math.ceil(rounds / 3));
  for (const session of sessions.values()) await session.release();
  const ratioIn = (all: ReadonlyMap<string, number[]>, key: string): number => {
    const base = all.get('imported') ?? [];
    return median((all.get(key) ?? []).map((ms, round) => ms / (base[round] ?? Number.NaN)));
  };
  return new Map(
    [...single].map(([key, ms]) => {
      const batch = several.get(key);
      const times = {
        ms: median(ms),
        batch8MsPerFace: batch && median(batch) / BATCH,
        ratio: ratioIn(single, key),
        batch8Ratio: batch && ratioIn(several, key),
      };
      return [key, times];
    }),
  );
}

/** The fastest run of each in each round, ms. */
async function turns(
  sessions: ReadonlyMap<string, OnnxSession>,
  feed: Tensor,
  rounds: number,
): Promise<ReadonlyMap<string, number[]>> {
  const times = new Map<string, number[]>([...sessions.keys()].map((key) => [key, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [key, session] of sessions) {
      const feeds = { [session.inputs[0]?.name ?? '']: feed };
      const ms: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        const began = performance.now();
        await session.run(feeds);
        ms.push(performance.now() - began);
      }
      if (round > 0) times.get(key)?.push(fastest(ms)); // the first warms up
    }
  }
  return times;
}

function tensorOf([input]: ProofInput, count: number): Tensor {
  const { shape, values } = input ?? { shape: [], values: new Float32Array() };
  const all = new Float32Array(values.length * count);
  for (let index = 0; index < count; index++) all.set(values, index * values.length);
  return new Tensor('float32', all, [count, ...shape.slice(1)]);
}
