import { openSession, serveWorker, Tensor } from '@sightline/onnx-runtime';
import { InferenceSession } from 'onnxruntime-node';

/** A model's input, [1, channels, height, width]. */
export interface ModelInput {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface IsolatedModel {
  readonly bytes: Uint8Array;
  /** What its timed runs are given. */
  readonly input: ModelInput;
  /** Whether to load the bytes as an application would that knows nothing of them: past our own session. */
  readonly asShipped: boolean;
}

export type IsolatedModels = Readonly<Record<string, IsolatedModel>>;

type RunModel = (input: ModelInput) => Promise<Float32Array>;

/** @returns a model's first output for an input, with nothing around it but ONNX Runtime */
async function load({ bytes, asShipped }: IsolatedModel): Promise<(feed: Tensor) => Promise<Float32Array>> {
  const firstOf = (outputs: Readonly<Record<string, Tensor>>): Float32Array => {
    const data = Object.values(outputs)[0]?.data;
    if (!(data instanceof Float32Array)) throw new Error('the model has no float32 output');
    return data;
  };
  if (asShipped) {
    const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
    const [name = ''] = session.inputNames;
    return async (feed) => firstOf(await session.run({ [name]: feed }));
  }
  const session = await openSession(bytes);
  const name = session.inputs[0]?.name ?? '';
  return async (feed) => firstOf(await session.run({ [name]: feed }));
}

function isolatedCalls(models: ReadonlyMap<string, { readonly run: RunModel; readonly input: ModelInput }>) {
  const of = (name: string) => {
    const model = models.get(name);
    if (model === undefined) throw new Error(`the worker has no model ${name}`);
    return model;
  };
  return {
    /** Durations of some runs on the model's own input, ms. */
    time: async ({ model, runs }: { readonly model: string; readonly runs: number }): Promise<readonly number[]> => {
      const { run, input } = of(model);
      const ms: number[] = [];
      for (let turn = 0; turn < runs; turn++) {
        const began = performance.now();
        await run(input);
        ms.push(performance.now() - began);
      }
      return ms;
    },
    run: ({ model, input }: { readonly model: string; readonly input: ModelInput }) => of(model).run(input),
  };
}

export type IsolatedCalls = ReturnType<typeof isolatedCalls>;

serveWorker(async (workerData) => {
  const models = new Map<string, { readonly run: RunModel; readonly input: ModelInput }>();
  for (const [name, model] of Object.entries(workerData as IsolatedModels)) {
    const run = await load(model);
    models.set(name, { run: ({ shape, data }) => run(new Tensor('float32', data, shape)), input: model.input });
  }
  return isolatedCalls(models);
});
