import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';

const require = createRequire(import.meta.url);

/** The folder of TensorFlow.js' WebAssembly files, with a separator at its end, as `setWasmPaths` wants it. */
export const wasmFolder = join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist') + sep;

/** TensorFlow.js' WebAssembly back-end with SIMD, its files from the package, one thread. */
export function oneThread() {
  const wasm = require('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(wasmFolder);
  wasm.setThreadsCount(1);
}
