// Loaded with `--import` by the process that counts model runs, and so by its worker threads: each run of any
// model is announced with the shapes of its inputs. No process that is timed loads it.
import { InferenceSession, type Tensor } from 'onnxruntime-node';
import { BroadcastChannel } from 'node:worker_threads';

export const announcements = 'sightline-bench-model-runs';

type Run = (this: InferenceSession, feeds: Readonly<Record<string, Tensor>>, ...more: unknown[]) => unknown;

const channel = new BroadcastChannel(announcements);
channel.unref();
// The class behind the factory that is exported.
const { prototype } = InferenceSession as unknown as { readonly prototype: { run: Run } };
const { run } = prototype;
prototype.run = function (feeds, ...more) {
  channel.postMessage(Object.values(feeds).map(({ dims }) => dims));
  return run.call(this, feeds, ...more);
};
