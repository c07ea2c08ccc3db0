import { listSupportedBackends } from 'onnxruntime-node';

/** Execution providers that this build of ONNX Runtime brings: 'cpu', 'cuda', … Whether one works shows only in use. */
export function availableProviders(): readonly string[] {
  return listSupportedBackends().map(({ name }) => name);
}
