import { create } from '@bufbuild/protobuf';
import { AppError } from '@sightline/kernel';
import { openSession, type OnnxSession } from '@sightline/onnx-runtime';
import { ValueInfoProtoSchema } from 'onnx-buf';

import { readModel, writeModel } from './model-file.js';
import { runModel, type ModelOutputs, type ProofInput, type ProofTensor } from './run-model.js';

/** Inputs one after the other: a list, or something that makes each when it is asked for. */
export type InputSource = Iterable<ProofInput> | AsyncIterable<ProofInput>;

export interface ActivationRun {
  /** Names of values of the graph: its inputs, its outputs or any in between; constants are none. */
  readonly values: readonly string[];
  readonly inputs: InputSource;
  /**
   * Called for each input in turn, with what every named value was. The tensors are the visitor's: nothing else
   * refers to them, and no others are kept.
   */
  readonly visit: (activations: ModelOutputs, index: number) => void | Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** Called after each input with how many are done. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** A model whose values in between can be seen. Memory: the model, and the named values of one input. */
export class ActivationObserver {
  readonly #session: OnnxSession;

  private constructor(session: OnnxSession) {
    this.#session = session;
  }

  /**
   * @param model an ONNX file
   * @param values all that will be asked for
   * @throws AppError `MODEL.INVALID` when the file cannot be read or loaded, or has no such value
   */
  static async open(model: Uint8Array, values: readonly string[]): Promise<ActivationObserver> {
    return new ActivationObserver(await openSession(withOutputs(model, values)));
  }

  /**
   * Shows the visitor what the values are for each input.
   *
   * @returns the number of inputs
   * @throws AppError `MODEL.INVALID` when an input does not fit, or a value is not float32; what the visitor throws;
   *   the signal's reason once it is aborted
   */
  async observe({ values, inputs, visit, signal, onProgress }: ActivationRun): Promise<number> {
    let done = 0;
    for await (const input of inputs) {
      signal?.throwIfAborted();
      const outputs = await this.#run(input);
      const seen = values.map((name): [string, ProofTensor] => {
        const index = this.#session.inputs.findIndex((info) => info.name === name);
        const tensor = index < 0 ? outputs.get(name) : input[index];
        if (tensor === undefined) throw noSuchValue(name);
        return [name, tensor];
      });
      await visit(new Map(seen), done);
      done += 1;
      onProgress?.(done);
    }
    return done;
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  async #run(input: ProofInput): Promise<ModelOutputs> {
    try {
      return await runModel(this.#session, input);
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError('MODEL.INVALID', 'The model cannot be run on an input.', { cause: error });
    }
  }
}

/**
 * One walk of {@link ActivationObserver} over the inputs.
 *
 * @throws AppError as `open` and `observe` do
 */
export async function observeActivations(model: Uint8Array, run: ActivationRun): Promise<number> {
  run.signal?.throwIfAborted();
  const observer = await ActivationObserver.open(model, run.values);
  try {
    return await observer.observe(run);
  } finally {
    await observer.close();
  }
}

/** The model with further values among its outputs. */
function withOutputs(bytes: Uint8Array, values: readonly string[]): Uint8Array {
  const model = readModel(bytes);
  const known = new Set([...model.inputs, ...model.outputs].map(({ name }) => name));
  const computed = new Set(model.nodes.flatMap(({ outputs }) => outputs));
  const added = [...new Set(values)].filter((name) => !known.has(name));
  for (const name of added) if (name === '' || !computed.has(name)) throw noSuchValue(name);
  // Without a type: the runtime infers it, and an element type that is not float32 shows when the model is run.
  const outputs = added.map((name) => create(ValueInfoProtoSchema, { name }));
  return writeModel({ ...model, outputs: [...model.outputs, ...outputs] });
}

function noSuchValue(name: string): AppError {
  return new AppError('MODEL.INVALID', 'The model has no such value.', { details: { value: name } });
}
