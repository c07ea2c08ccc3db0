import { serveWorker } from '@sightline/onnx-runtime';

import type { FlatGalleryCalls } from './flat-gallery-calls.js';
import { PartitionIndex } from './partition-index.js';
import { openScanner } from './scanner.js';

serveWorker<FlatGalleryCalls>(async () => {
  const index = new PartitionIndex(await openScanner());
  return { apply: (change) => index.apply(change), search: (probes) => index.search(probes) };
});
