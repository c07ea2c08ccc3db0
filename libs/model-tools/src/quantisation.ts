import { AppError } from '@sightline/kernel';
import { createHash } from 'node:crypto';

import type { InputSource } from './activations.js';
import { measureAgreement, type Agreement } from './agreement.js';
import type { OnnxModel } from './graph.js';
import { readPlainModel, writeModel } from './model-file.js';
import { rewritePrelu } from './passes/rewrite-prelu.js';
import { stripUnused } from './passes/strip-unused.js';
import { CalibrationRecord, type CalibrationDigest } from './quantisation/calibration-digest.js';
import { channelStatistics } from './quantisation/channel-statistics.js';
import { codeOf, type Code, type Range } from './quantisation/code.js';
import { equaliseChannels } from './quantisation/equalise-channels.js';
import { fusedOperations, type FusedOperations } from './quantisation/fused-operations.js';
import { insertCodes } from './quantisation/insert-codes.js';
import { planIntegers, type IntegerPlan } from './quantisation/integer-plan.js';
import { layersToKeepFloat, type FloatFallback, type FloatLayer } from './quantisation/keep-float.js';
import { restorePrelu } from './quantisation/restore-prelu.js';
import type { RangeMethod } from './quantisation/value-histogram.js';
import { valueRanges } from './quantisation/value-ranges.js';

/** Grows with every change that can change the bytes that a quantisation gives. */
export const QUANTISER_VERSION = '1';

export interface QuantisationSettings {
  /** How the range of each value is found. Default: 'mse'. */
  readonly ranges?: RangeMethod;
  /**
   * Default: 8. With 7 the weights go from −63 to 63: x64 processors without VNNI add two products in 16 bits, which
   * 8 bits can overflow (onnxruntime #14642, #6004).
   */
  readonly weightBits?: 7 | 8;
  /** Whether channels are brought to like sizes first. Default: true. */
  readonly equalise?: boolean;
  /** Default: no layer stays float. */
  readonly fallback?: FloatFallback;
}

export interface QuantisationOptions extends QuantisationSettings {
  /**
   * Calibration inputs, as the model meets them in service, with a batch of one: walked over twice, and the same each
   * time. Nobody who is evaluated may be among them.
   */
  readonly inputs: () => InputSource;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: QuantisationProgress) => void) | undefined;
}

/** Inputs that were walked over, or trials of layers in floats, that are done. */
export interface QuantisationProgress {
  readonly stage: 'statistics' | 'ranges' | 'sensitivity';
  readonly done: number;
}

/** A value that is coded, its range as it was found, and the code that it got. */
export interface CodedValue extends Range, Code {
  readonly value: string;
}

export interface QuantisationReport {
  readonly quantiser: string;
  readonly settings: Required<Omit<QuantisationSettings, 'fallback'>> & { readonly fallback: FloatFallback | null };
  readonly calibration: CalibrationDigest;
  /** SHA-256 over quantiser, settings and calibration: two models of one source and one digest are the same. */
  readonly digest: string;
  /** Layers with weights. */
  readonly layers: number;
  readonly keptFloat: readonly FloatLayer[];
  readonly values: readonly CodedValue[];
  readonly fused: FusedOperations;
  /** With the source, on the first of the calibration inputs: a first look, no evaluation. */
  readonly agreement: Agreement;
}

export interface QuantisedModel {
  readonly bytes: Uint8Array;
  /** The same before its values were coded, and after equalisation: what `reconstructModel` has for a teacher. */
  readonly floats: Uint8Array;
  readonly report: QuantisationReport;
}

/** Calibration inputs that the source and its quantised form are compared on. */
const COMPARED = 48;
/** The first operator set that quantises weights per channel. */
const OLDEST_OPSET = 13;

/**
 * Static quantisation after training: layers with weights, and what lies between them, are done with integers of
 * eight bits. Values are coded from 0 to 255, weights per output from −127 to 127, biases with 32 bits. The same
 * model, settings and inputs give the same bytes.
 *
 * @param source an imported ONNX file
 * @throws AppError `MODEL.INVALID` when the file cannot be read or run on the inputs, `MODEL.NOT_OPTIMISABLE` when it
 *   has subgraphs, an older operator set or no layer that can be quantised, when there are no inputs, or when ONNX
 *   Runtime does not do every planned layer with integers; the signal's reason once it is aborted
 */
export async function quantiseModel(source: Uint8Array, options: QuantisationOptions): Promise<QuantisedModel> {
  const { ranges = 'mse', weightBits = 8, equalise = true, fallback, signal, onProgress } = options;
  const calibrated = await calibrate(quantisable(source), { ...options, ranges, equalise });
  const { model, plan: whole, found, record } = calibrated;
  const build = (keptFloat: ReadonlySet<string>): { bytes: Uint8Array; plan: IntegerPlan } => {
    const plan = planIntegers(model, keptFloat);
    const coded = insertCodes(model, { plan, ranges: found, weightBits });
    return { plan, bytes: writeModel(stripUnused.apply(rewritePrelu.apply(coded).model).model) };
  };
  let trials = 0;
  const keptFloat = await layersToKeepFloat(fallback ?? { mean: -1, mostLayers: 0 }, {
    layers: whole.layers,
    tryWith: (kept) => measureAgreement(source, build(kept).bytes, record.kept, signal),
    signal,
    onTrial: () => onProgress?.({ stage: 'sensitivity', done: ++trials }),
  });
  const { bytes, plan } = build(new Set(keptFloat.map(({ layer }) => layer)));
  const fused = await provenFused(bytes, plan);
  const settings = { ranges, weightBits, equalise, fallback: fallback ?? null };
  const calibration = record.digest();
  const report: QuantisationReport = {
    quantiser: QUANTISER_VERSION,
    settings,
    calibration,
    digest: sha256(JSON.stringify({ quantiser: QUANTISER_VERSION, settings, calibration })),
    layers: whole.layers.length,
    keptFloat,
    values: [...new Set(plan.codes.values())].map((value) => codedValue(value, found)),
    fused,
    agreement: await measureAgreement(source, bytes, record.kept, signal),
  };
  return { bytes, floats: writeModel(model), report };
}

interface Calibrated {
  readonly model: OnnxModel;
  readonly plan: IntegerPlan;
  readonly found: ReadonlyMap<string, Range>;
  readonly record: CalibrationRecord;
}

type CalibrationOptions = QuantisationOptions & Required<Pick<QuantisationSettings, 'ranges' | 'equalise'>>;

async function calibrate(
  source: OnnxModel,
  { inputs, ranges, equalise, signal, onProgress }: CalibrationOptions,
): Promise<Calibrated> {
  const plan = planIntegers(source, new Set());
  if (plan.operations.size === 0) throw refusal('The model has no layer that can be quantised.');
  const record = new CalibrationRecord(COMPARED);
  const coded = [...new Set(plan.codes.values())];
  const { statistics, inputs: count } = await channelStatistics(writeModel(source), coded, {
    inputs: () => record.record(inputs()),
    signal,
    onProgress: (done) => onProgress?.({ stage: 'statistics', done }),
  });
  if (count === 0) throw refusal('A model cannot be quantised without calibration inputs.');
  const { model, factors } = equalise ? equaliseChannels(source, statistics) : { model: source, factors: new Map() };
  const found = await valueRanges(model, {
    method: ranges,
    statistics,
    factors,
    inputs,
    signal,
    onProgress: (done) => onProgress?.({ stage: 'ranges', done }),
  });
  // A value that shares a code has one of its own where its layer stays float: the range that it shared suits it.
  const all = [...plan.codes].flatMap(([value, shared]): [string, Range][] => {
    const range = found.get(shared);
    return range ? [[value, range]] : [];
  });
  return { model, plan, found: new Map(all), record };
}

function quantisable(source: Uint8Array): OnnxModel {
  const model = readPlainModel(source, 'quantised');
  if (model.opset < OLDEST_OPSET) throw refusal(`Quantisation needs operator set ${OLDEST_OPSET}: import the model.`);
  return restorePrelu(model);
}

async function provenFused(bytes: Uint8Array, { operations }: IntegerPlan): Promise<FusedOperations> {
  const planned = [...operations.values()].filter(({ kind }) => kind === 'weighted').length;
  const fused = await fusedOperations(bytes);
  if (fused.layers >= planned) return fused;
  throw new AppError('MODEL.NOT_OPTIMISABLE', 'ONNX Runtime does not do every quantised layer with integers.', {
    details: { planned, fused: fused.layers },
  });
}

function codedValue(value: string, ranges: ReadonlyMap<string, Range>): CodedValue {
  const range = ranges.get(value) ?? { low: 0, high: 0 };
  return { value, ...range, ...codeOf(range) };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function refusal(message: string): AppError {
  return new AppError('MODEL.NOT_OPTIMISABLE', message);
}
