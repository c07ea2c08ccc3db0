import { AppError } from '@sightline/kernel';
import { Tensor, type OnnxSession } from '@sightline/onnx-runtime';

/** What a model is run on: one float32 tensor for each of its inputs, in their order, with a batch of one. */
export type ProofInput = readonly ProofTensor[];

export interface ProofTensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

/** What a model made of an input, by the names of its outputs. */
export type ModelOutputs = ReadonlyMap<string, ProofTensor>;

/**
 * Runs a model on one input.
 *
 * @throws AppError `MODEL.INVALID` when an output is not float32; whatever ONNX Runtime throws on a wrong input
 */
export async function runModel(session: OnnxSession, input: ProofInput): Promise<ModelOutputs> {
  const feeds = session.inputs.map(({ name }, index) => {
    const { values, shape } = input[index] ?? { values: new Float32Array(), shape: [0] };
    return [name, new Tensor('float32', values, [...shape])] as const;
  });
  const outputs = await session.run(Object.fromEntries(feeds));
  return new Map(
    Object.entries(outputs).map(([name, { data, dims }]) => {
      if (data instanceof Float32Array) return [name, { shape: dims, values: data }];
      throw new AppError('MODEL.INVALID', `The output ${name} is not float32.`);
    }),
  );
}
