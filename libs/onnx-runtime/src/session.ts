import { AppError, errorMessage, silentLogger, type Logger } from '@sightline/kernel';
import { InferenceSession, type Tensor } from 'onnxruntime-node';

export interface SessionOptions {
  /** Execution providers in order of preference. 'cpu' is always the last resort. Default: CPU alone. */
  readonly providers?: readonly string[];
  readonly log?: Logger;
}

/** A loaded model. `run` blocks its thread, so a session lives in a worker. */
export interface OnnxSession {
  /** The execution provider that the model runs on: 'cpu', 'cuda', … */
  readonly provider: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
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
 * What serves every model here (measured: notes on ONNX optimisation in docs/benchmarks.md): one thread,
 * because parallelism comes from workers; no spinning, which costs CPU and wins nothing; all graph
 * optimisations; sequential execution.
 */
const tuned: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  executionMode: 'sequential',
  logSeverityLevel: 3,
  extra: {
    session: {
      set_denormal_as_zero: '1',
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
 * Loads an ONNX model.
 *
 * Providers are tried one at a time, so that the one in use is known; one that is not built in or finds no
 * device is logged and left for the next.
 *
 * @param model the bytes of an ONNX file
 * @throws AppError `MODEL.INVALID` when the CPU cannot load it either
 */
export async function openSession(model: Uint8Array, options: SessionOptions = {}): Promise<OnnxSession> {
  const log = options.log ?? silentLogger;
  for (const provider of options.providers ?? []) {
    if (provider === 'cpu') break;
    try {
      return wrap(await InferenceSession.create(model, { ...tuned, executionProviders: [provider] }), provider);
    } catch (error) {
      log.warn({ provider, reason: errorMessage(error) }, 'execution provider unavailable, trying the next');
    }
  }
  try {
    return wrap(await InferenceSession.create(model, { ...tuned, executionProviders: ['cpu'] }), 'cpu');
  } catch (error) {
    throw new AppError('MODEL.INVALID', 'ONNX Runtime cannot load the model.', { cause: error });
  }
}

function wrap(session: InferenceSession, provider: string): OnnxSession {
  return {
    provider,
    inputs: describe(session.inputMetadata),
    outputs: describe(session.outputMetadata),
    run: async (feeds) => session.run(feeds),
    release: async () => session.release(),
  };
}
