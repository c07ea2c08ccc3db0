import { AppError } from '@sightline/kernel';
import { openSession, type OnnxSession } from '@sightline/onnx-runtime';

import { runModel, type ProofInput } from './run-model.js';

/** How far an output of one model was from the other's, at most. */
export interface OutputAgreement {
  readonly output: string;
  readonly largestDifference: number;
  /** Of the original model; differences are judged relative to it, and absolutely where it is below 1. */
  readonly largestValue: number;
}

export interface EquivalenceProof {
  readonly inputs: number;
  readonly tolerance: number;
  readonly outputs: readonly OutputAgreement[];
  /** The rewritten model on several inputs at once against the same on each alone; none: it takes one at a time. */
  readonly batch?: { readonly size: number; readonly outputs: readonly OutputAgreement[] };
}

export interface ProofOptions {
  /** At least one; real ones, as the model meets them in service. */
  readonly inputs: readonly ProofInput[];
  /** Largest difference of an output, relative to its largest value (absolute where that is below 1). */
  readonly tolerance?: number;
  readonly signal?: AbortSignal;
}

/** The rounding of 32-bit floats, over a few dozen layers, stays well below. */
const DEFAULT_TOLERANCE = 1e-5;
const BATCH = 4;

type Outputs = ReadonlyMap<string, Float32Array>;

/**
 * Runs both models on real inputs and compares what they say.
 *
 * @throws AppError `MODEL.NOT_EQUIVALENT` when an output differs by more than the tolerance, or is not there;
 *   `MODEL.INVALID` when the original cannot be run on the inputs
 */
export async function proveEquivalence(
  original: Uint8Array,
  rewritten: Uint8Array,
  options: ProofOptions,
): Promise<EquivalenceProof> {
  const { inputs, tolerance = DEFAULT_TOLERANCE, signal } = options;
  if (inputs.length === 0) throw new AppError('MODEL.NOT_EQUIVALENT', 'Nothing can be proven without an input.');
  const expected = await runAll(original, inputs, signal);
  const session = await openRewritten(rewritten);
  try {
    const actual = await runEach(session, inputs, signal);
    const proof = { inputs: inputs.length, tolerance, outputs: agreements(expected, actual) };
    accept(proof.outputs, tolerance);
    if (!session.inputs.every(({ shape }) => typeof shape[0] === 'string')) return proof;
    const several = Array.from({ length: BATCH }, (_, index) => inputs[index % inputs.length] ?? []);
    const alone = several.map((_, index) => actual[index % inputs.length] ?? new Map<string, Float32Array>());
    const outputs = agreements([joined(alone)], [await run(session, stacked(several))]);
    accept(outputs, tolerance);
    return { ...proof, batch: { size: BATCH, outputs } };
  } finally {
    await session.release();
  }
}

async function runAll(model: Uint8Array, inputs: readonly ProofInput[], signal?: AbortSignal): Promise<Outputs[]> {
  const session = await openSession(model);
  try {
    return await runEach(session, inputs, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw new AppError('MODEL.INVALID', 'The model cannot be run on the inputs of its proof.', { cause: error });
  } finally {
    await session.release();
  }
}

async function openRewritten(model: Uint8Array): Promise<OnnxSession> {
  return openSession(model).catch((error: unknown) => {
    throw new AppError('MODEL.NOT_EQUIVALENT', 'The rewritten model cannot be loaded.', { cause: error });
  });
}

async function runEach(session: OnnxSession, inputs: readonly ProofInput[], signal?: AbortSignal): Promise<Outputs[]> {
  const results: Outputs[] = [];
  for (const input of inputs) {
    signal?.throwIfAborted();
    results.push(await run(session, input));
  }
  return results;
}

async function run(session: OnnxSession, input: ProofInput): Promise<Outputs> {
  const outputs = await runModel(session, input);
  return new Map([...outputs].map(([name, { values }]) => [name, values]));
}

/** The inputs as one batch. */
function stacked(inputs: readonly ProofInput[]): ProofInput {
  return (inputs[0] ?? []).map(({ shape }, index) => {
    const parts = inputs.map((input) => input[index]?.values ?? new Float32Array());
    return { shape: [parts.length, ...shape.slice(1)], values: concatenated(parts) };
  });
}

function joined(results: readonly Outputs[]): Outputs {
  const names = [...(results[0]?.keys() ?? [])];
  return new Map(
    names.map((name) => [name, concatenated(results.map((result) => result.get(name) ?? new Float32Array()))]),
  );
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function agreements(expected: readonly Outputs[], actual: readonly Outputs[]): OutputAgreement[] {
  const names = [...(expected[0]?.keys() ?? [])];
  return names.map((output) => {
    let largestDifference = 0;
    let largestValue = 0;
    expected.forEach((outputs, index) => {
      const values = outputs.get(output) ?? new Float32Array();
      const others = actual[index]?.get(output);
      if (others?.length !== values.length) largestDifference = Number.POSITIVE_INFINITY;
      values.forEach((value, position) => {
        const difference = Math.abs(value - (others?.[position] ?? Number.NaN));
        largestDifference = Math.max(
          largestDifference,
          Number.isFinite(difference) ? difference : Number.POSITIVE_INFINITY,
        );
        largestValue = Math.max(largestValue, Math.abs(value));
      });
    });
    return { output, largestDifference, largestValue };
  });
}

function accept(outputs: readonly OutputAgreement[], tolerance: number): void {
  for (const { output, largestDifference, largestValue } of outputs) {
    if (largestDifference <= tolerance * Math.max(1, largestValue)) continue;
    throw new AppError('MODEL.NOT_EQUIVALENT', 'The rewritten model does not answer as the original does.', {
      details: { output, largestDifference, largestValue, tolerance },
    });
  }
}
