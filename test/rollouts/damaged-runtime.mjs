// Loaded before an agent (NODE_OPTIONS=--import …), and before each of its workers: a box whose arithmetic goes wrong
// from the moment on at which the named file is there, as memory or an accelerator does that wears out.
import { existsSync } from 'node:fs';

import { InferenceSession } from 'onnxruntime-node';

const flag = process.env.DAMAGED_RUNTIME_FLAG ?? '';
const { run } = InferenceSession.prototype;
InferenceSession.prototype.run = async function (...parameters) {
  const results = await run.apply(this, parameters);
  if (existsSync(flag)) {
    for (const { data } of Object.values(results)) {
      if (data instanceof Float32Array)
        data.forEach((value, index) => (data[index] = index % 2 === 0 ? -value : value));
    }
  }
  return results;
};
