import { errorMessage } from '@sightline/kernel';
import { openSession, Tensor } from '@sightline/onnx-runtime';
import { openRecogniser, runSelfTest } from '@sightline/recognition';

import { activeBundle } from './active-bundle.js';
import type { ProviderFacts } from './probe-provider.js';

/** One product of two matrices of 2 × 2: enough to know whether a provider runs anything. */
const SMALLEST_MODEL =
  'CAg6WQoRCgFhCgFiEgFjIgZNYXRNdWwSBXByb2JlWhMKAWESDgoMCAESCAoCCAIKAggCWhMKAWISDgoMCAESCAoCCAIKAggCYhMKAWMSDgoMCAESCAoCCAIKAggCQgIQDQ==';

/**
 * Tries one execution provider, in a process of its own: a driver that is broken may end the process that asks it.
 * Arguments: the provider, and the data directory whose active release is to be loaded, if there is one.
 */
async function probe(provider: string, dataDirectory: string | undefined): Promise<ProviderFacts> {
  const began = performance.now();
  const session = await openSession(Buffer.from(SMALLEST_MODEL, 'base64'), { providers: [provider] });
  const one = new Tensor('float32', Float32Array.of(1, 0, 0, 1), [2, 2]);
  await session.run({ a: one, b: one });
  await session.release();
  if (session.provider !== provider) {
    return { provider, runs: false, reason: session.unavailable[0]?.reason ?? 'does not load' };
  }
  const loadMs = performance.now() - began;
  const bundle = dataDirectory === undefined ? undefined : await activeBundle(dataDirectory);
  if (!bundle) return { provider, runs: true, loadMs };
  const opened = performance.now();
  const recogniser = await openRecogniser({ bundle, providers: [provider] });
  const openMs = performance.now() - opened;
  await recogniser.close();
  const release = { version: bundle.manifest.version, provider: recogniser.provider, openMs };
  await runSelfTest(bundle, { providers: [provider] });
  return { provider, runs: true, loadMs, release };
}

const [, , provider = 'cpu', dataDirectory] = process.argv;
try {
  process.send?.(await probe(provider, dataDirectory));
} catch (error) {
  process.send?.({ provider, runs: false, reason: errorMessage(error) } satisfies ProviderFacts);
}
process.disconnect();
