import { AppError, errorMessage } from '@sightline/kernel';
import { InferenceSession, type Tensor } from 'onnxruntime-node';

export interface SessionOptions {
  /** Execution providers in order of preference. 'cpu' is always the last resort. Default: CPU alone. */
  readonly providers?: readonly string[];
  /** Other ways to compute than the one that measured best: to see whether a model answers alike in all of them. */
  readonly execution?: Execution;
}

/** What the CPU provider is told. The results of ways differ in rounding. */
export interface Execution {
  readonly threads: number;
  readonly optimisation: 'disabled' | 'basic' | 'extended' | 'all';
}

/** An execution provider that was wanted and could not be had. */
export interface UnavailableProvider {
  readonly provider: string;
  readonly reason: string;
}

/** A loaded model. `run` blocks its thread, so a session lives in a worker. */
export interface OnnxSession {
  /** The execution provider that the model runs on: 'cpu', 'cuda', … */
  readonly provider: string;
  /** Those that came before it in the order of preference. */
  readonly unavailable: readonly UnavailableProvider[];
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** @param into tensors of the right type and shape that outputs are written to, in the place of new ones */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    into?: Readonly<Record<string, Tensor>>,
  ): Promise<Readonly<Record<string, Tensor>>>;
  release(): Promise<void>;
}

export interface TensorInfo {
  readonly name: string;
  /** Element type, as ONNX Runtime names it: 'float32', 'uint8', … */
  readonly type: string;
  /** A symbolic dimension is a string. */
  readonly shape: readonly (number | string)[];
}

/**
 * What measured best for every model here: one thread, because parallelism comes from workers; no spinning,
 * which costs CPU and wins nothing; all graph optimisations; sequential execution.
 */
const tuned: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  executionMode: 'sequential',
  logSeverityLevel: 3,
  extra: {
    session: {
      intra_op: { allow_spinning: '0' },
      inter_op: { allow_spinning: '0' },
    },
  },
};

function describe(metadata: readonly InferenceSession.ValueMetadata[]): TensorInfo[] {
  return metadata.map((value) =>
    value.isTensor
      ? { name: value.name, type: value.type, shape: value.shape }
      : { name: value.name, type: 'other', shape: [] },
  );
}

/**
 * Loads an ONNX model exactly as it is. What makes a model fast is in its file: see the import pass of model-tools.
 *
 * Providers are tried one at a time, so that the one in use is known.
 *
 * @param model the bytes of an ONNX file
 * @throws AppError `MODEL.INVALID` when the CPU cannot load it either
 */
export async function openSession(model: Uint8Array, options: SessionOptions = {}): Promise<OnnxSession> {
  const unavailable: UnavailableProvider[] = [];
  for (const provider of options.providers ?? []) {
    if (provider === 'cpu') break;
    try {
      return wrap(await create(model, provider), provider, unavailable);
    } catch (error) {
      unavailable.push({ provider, reason: errorMessage(error) });
    }
  }
  try {
    return wrap(await create(model, 'cpu', options.execution), 'cpu', unavailable);
  } catch (error) {
    throw new AppError('MODEL.INVALID', `ONNX Runtime cannot load the model: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

function create(model: Uint8Array, provider: string, execution?: Execution): Promise<InferenceSession> {
  return InferenceSession.create(model, {
    ...tuned,
    ...(execution && { intraOpNumThreads: execution.threads, graphOptimizationLevel: execution.optimisation }),
    executionProviders: [provider],
  });
}

function wrap(session: InferenceSession, provider: string, unavailable: readonly UnavailableProvider[]): OnnxSession {
  return {
    provider,
    unavailable,
    inputs: describe(session.inputMetadata),
    outputs: describe(session.outputMetadata),
    run: async (feeds, into) => (into ? session.run(feeds, into) : session.run(feeds)),
    release: async () => session.release(),
  };
}
