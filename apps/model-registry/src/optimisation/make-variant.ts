import type { DetectorSpec } from '@sightline/contracts';
import { AppError, silentLogger } from '@sightline/kernel';
import {
  assertAgreement,
  importModel,
  proveEquivalence,
  pruneModel,
  quantiseModel,
  reconstructModel,
  reparameteriseModel,
  storeInHalfPrecision,
  vetModel,
  type Agreement,
  type ProofInput,
  type ReconstructedModel,
  type ReconstructionOptions,
} from '@sightline/model-tools';
import { openSession, Tensor } from '@sightline/onnx-runtime';

import { calibrationInputs } from './calibration-inputs.js';
import { realProofInputs } from '../releases/proof-inputs.js';
import type { ModelWork } from './work-protocol.js';

/** A file, and how it came about. */
export interface MadeVariant {
  readonly bytes: Uint8Array;
  readonly report: Record<string, unknown>;
}

/** What float16 keeps of a weight, 11 bits, over a few dozen layers. */
const HALF_TOLERANCE = 0.05;

/** A lossy variant that answers less alike is of no use to anybody; what a release takes is stricter. */
const GATE = { mean: 0.95 };
const READING = 'reading the faces of the calibration';

type OnProgress = (step: string, progress: number) => void;

/**
 * Makes a variant of a model. The same file and options give the same bytes.
 *
 * @throws AppError `MODEL.INVALID`, `MODEL.UNSUPPORTED`, `MODEL.NOT_EQUIVALENT`, `MODEL.NOT_OPTIMISABLE`,
 *   `MODEL.BELOW_GATE` when a lossy variant answers too differently,
 *   `MODEL.SOURCE_UNAVAILABLE` (retryable) when the photographs of the proof cannot be fetched
 */
export async function makeVariant(source: Uint8Array, work: ModelWork, onProgress: OnProgress): Promise<MadeVariant> {
  onProgress('looking at the file', 0);
  const outline = vetModel(source);
  const made = await make(source, work, onProgress);
  onProgress('done', 1);
  return { ...made, report: { ...made.report, outline } };
}

async function make(source: Uint8Array, work: ModelWork, onProgress: OnProgress): Promise<MadeVariant> {
  const inputs = await inputsOf(work);
  switch (work.kind) {
    case 'imported': {
      onProgress('running the model as its specification says', 0.2);
      await assertFits(source, inputs, work.model);
      onProgress('rewriting the model and proving what it answers', 0.4);
      const { bytes, report } = await importModel(source, { inputs });
      return { bytes, report: { import: report } };
    }
    case 'fp16': {
      const { bytes, report } = storeInHalfPrecision(source);
      const proof = await proveEquivalence(source, bytes, { inputs, tolerance: HALF_TOLERANCE });
      return { bytes, report: { halfPrecision: report, proof } };
    }
    case 'reparameterised': {
      const { bytes, report } = await reparameteriseModel(source, { inputs });
      return { bytes, report: { reparameterisation: report } };
    }
    case 'int8':
      return quantised(source, work, onProgress);
    case 'pruned':
      return pruned(source, work, onProgress);
  }
}

/** Integers of eight bits; where it is wished, solved anew so that the values are like those of the floats. */
async function quantised(source: Uint8Array, work: ModelWork, onProgress: OnProgress): Promise<MadeVariant> {
  onProgress(READING, 0.05);
  const inputs = await calibrationInputs(work);
  const { bytes, floats, report } = await quantiseModel(source, {
    inputs: () => inputs,
    ...(work.options.weightBits === 7 && { weightBits: 7 }),
    onProgress: ({ stage, done }) => onProgress(`quantising: ${stage}`, 0.1 + 0.4 * (done / (done + inputs.length))),
  });
  if (work.options.reconstruct !== true) {
    assertAgreement(report.agreement, GATE);
    return { bytes, report: { quantisation: report } };
  }
  // Its values are those of the equalised floats, not those of the file that it was made of.
  const solved = await reconstructed(bytes, { teacher: floats, inputs }, onProgress);
  return { bytes: solved.bytes, report: { quantisation: report, reconstruction: solved.report } };
}

/** Fewer channels, whose loss those that are left make up for. */
async function pruned(source: Uint8Array, work: ModelWork, onProgress: OnProgress): Promise<MadeVariant> {
  const wanted = work.options.bytes;
  if (typeof wanted !== 'number') {
    throw new AppError('MODEL.NOT_OPTIMISABLE', 'Pruning asks how large the file may be: the option "bytes".');
  }
  onProgress(READING, 0.05);
  const inputs = await calibrationInputs(work);
  const { bytes, channels, report } = await pruneModel(source, {
    ...{ inputs, bytes: wanted },
    onProgress: (done, total) => onProgress('choosing channels', 0.1 + (0.4 * done) / Math.max(1, total)),
  });
  const solved = await reconstructed(bytes, { teacher: source, inputs, channels }, onProgress);
  return { bytes: solved.bytes, report: { pruning: report, reconstruction: solved.report } };
}

async function reconstructed(
  bytes: Uint8Array,
  from: Pick<ReconstructionOptions, 'teacher' | 'inputs' | 'channels'>,
  onProgress: OnProgress,
): Promise<ReconstructedModel & { readonly report: { readonly isTaken: boolean } }> {
  const solved = await reconstructModel(bytes, {
    ...from,
    onProgress: (done, total) => onProgress('solving weights', 0.5 + (0.48 * done) / Math.max(1, total)),
  });
  const { before, after } = solved.report;
  // Integers that were right to the fifth place have nothing to win.
  const isBetter = worstMean(after) > worstMean(before);
  assertAgreement(isBetter ? after : before, GATE);
  return { bytes: isBetter ? solved.bytes : bytes, report: { ...solved.report, isTaken: isBetter } };
}

const worstMean = ({ outputs }: Agreement): number => Math.min(...outputs.map(({ mean }) => mean));

async function inputsOf({ model, storeDirectory }: ModelWork): Promise<readonly ProofInput[]> {
  const inputs = await realProofInputs({ storeDirectory, log: silentLogger, specs: { [model.task]: model.spec } });
  return inputs.get(model.task) ?? [];
}

/** Runs a model on what its task gives it, and looks whether its answers can be what the task takes. */
async function assertFits(model: Uint8Array, inputs: readonly ProofInput[], asked: ModelWork['model']): Promise<void> {
  const [input] = inputs;
  const session = await openSession(model).catch((cause: unknown) => {
    throw new AppError('MODEL.UNSUPPORTED', 'ONNX Runtime cannot load the model.', { cause });
  });
  try {
    const [name, ...others] = session.inputs;
    const [tensor] = input ?? [];
    if (name === undefined || others.length > 0 || tensor === undefined) {
      throw misfit('It has to take one input: the pixels.');
    }
    const outputs = await session
      .run({ [name.name]: new Tensor('float32', tensor.values, [...tensor.shape]) })
      .catch((cause: unknown) => {
        const shape = tensor.shape.join(' × ');
        throw new AppError('MODEL.INVALID', `The model does not take the input of its specification, ${shape}.`, {
          cause,
        });
      });
    const lengths = Object.values(outputs).map(({ data }) => {
      if (!(data instanceof Float32Array)) throw misfit('All of its outputs have to be float32.');
      if (!data.every((value) => Number.isFinite(value))) throw misfit('It answers what is no finite number.');
      return data.length;
    });
    const wrong = wrongOutputs(lengths, asked);
    if (wrong !== undefined) throw misfit(wrong);
  } finally {
    await session.release();
  }
}

/** What is wrong with the numbers that a model answers of one input, by the length of each output; undefined: nothing. */
function wrongOutputs(lengths: readonly number[], model: ModelWork['model']): string | undefined {
  const [first = 0] = lengths;
  const isAlone = lengths.length === 1;
  switch (model.task) {
    case 'embedder': {
      const fits = isAlone && first === model.spec.dimension;
      return fits ? undefined : `It has to answer one embedding of ${model.spec.dimension} numbers.`;
    }
    case 'landmarks':
      return isAlone && first === 2 * 68 ? undefined : 'It has to answer 68 points, 136 numbers.';
    case 'detector':
      return wrongDetections(lengths, model.spec);
    case 'presentationAttack':
      return isAlone && first > model.spec.liveIndex
        ? undefined
        : 'It has to answer a score for each class, that of living faces among them.';
  }
}

function wrongDetections(lengths: readonly number[], { decoder }: DetectorSpec): string | undefined {
  const [scores = 0, boxes = 0] = lengths;
  if (decoder === 'yunet') {
    // Classes, objectness, boxes and points, at each of three strides.
    return lengths.length === 4 * 3
      ? undefined
      : 'It has to answer classes, objects, boxes and points at three strides.';
  }
  const fits = lengths.length === 2 && 2 * scores === boxes;
  return fits ? undefined : 'It has to answer two scores and the four sides of as many boxes.';
}

function misfit(sentence: string): AppError {
  return new AppError('MODEL.INVALID', `The model does not fit its task. ${sentence}`);
}
