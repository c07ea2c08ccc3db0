import { AppError } from '@sightline/kernel';
import { openSession } from '@sightline/onnx-runtime';

import { runModel, type ModelOutputs, type ProofInput } from './run-model.js';

/** How alike the answers of two models are: the cosine of each output, over inputs. */
export interface Agreement {
  readonly inputs: number;
  readonly outputs: readonly OutputCosine[];
}

export interface OutputCosine {
  readonly output: string;
  readonly mean: number;
  /** The first percentile: one input in a hundred is below. */
  readonly p1: number;
  readonly min: number;
}

/** What a variant must reach in every output to be offered. */
export interface AgreementGate {
  readonly mean: number;
  readonly p1?: number;
  readonly min?: number;
}

/**
 * Runs a model and its variant on the same inputs, and compares each output as a vector. Memory: one answer.
 *
 * @throws AppError `MODEL.INVALID` when one of them cannot be run, or the variant lacks an output; the signal's
 *   reason once it is aborted
 */
export async function measureAgreement(
  original: Uint8Array,
  variant: Uint8Array,
  inputs: Iterable<ProofInput>,
  signal?: AbortSignal,
): Promise<Agreement> {
  const cosines = new Map<string, number[]>();
  const one = await openSession(original);
  try {
    const other = await openSession(variant);
    try {
      for (const input of inputs) {
        signal?.throwIfAborted();
        compare(await runModel(one, input), await runModel(other, input), cosines);
      }
    } finally {
      await other.release();
    }
  } finally {
    await one.release();
  }
  const outputs = [...cosines].map(([output, values]) => summaryOf(output, values));
  return { inputs: cosines.values().next().value?.length ?? 0, outputs };
}

/** @throws AppError `MODEL.BELOW_GATE` when an output agrees less than the gate asks for, or nothing was compared */
export function assertAgreement({ inputs, outputs }: Agreement, gate: AgreementGate): void {
  const below = outputs.find(
    ({ mean, p1, min }) => !(mean >= gate.mean && p1 >= (gate.p1 ?? -1) && min >= (gate.min ?? -1)),
  );
  if (below === undefined && inputs > 0) return;
  throw new AppError('MODEL.BELOW_GATE', 'The variant agrees with its original less than the gate asks for.', {
    details: { inputs, wantedMean: gate.mean, ...below },
  });
}

function compare(expected: ModelOutputs, actual: ModelOutputs, cosines: Map<string, number[]>): void {
  for (const [output, { values }] of expected) {
    const others = actual.get(output)?.values;
    if (others?.length !== values.length) {
      throw new AppError('MODEL.INVALID', 'The variant has other outputs than its original.', { details: { output } });
    }
    const list = cosines.get(output) ?? [];
    list.push(cosineOf(values, others));
    cosines.set(output, list);
  }
}

/** 1 when both are zero; NaN passes no gate. */
function cosineOf(one: Float32Array, other: Float32Array): number {
  let [product, first, second] = [0, 0, 0];
  one.forEach((value, index) => {
    const counterpart = other[index] ?? 0;
    product += value * counterpart;
    first += value * value;
    second += counterpart * counterpart;
  });
  return first === 0 && second === 0 ? 1 : product / Math.sqrt(first * second);
}

function summaryOf(output: string, values: readonly number[]): OutputCosine {
  const sorted = values.toSorted((one, other) => one - other);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { output, mean, p1: sorted[Math.floor(sorted.length / 100)] ?? Number.NaN, min: sorted[0] ?? Number.NaN };
}
