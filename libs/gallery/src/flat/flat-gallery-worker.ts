import { serveWorker } from '@sightline/onnx-runtime';

import type { FlatGalleryCalls } from './flat-gallery-calls.js';
import { PartitionIndex } from './partition-index.js';

serveWorker<FlatGalleryCalls>(async () => {
  const index = await PartitionIndex.open();
  return { apply: (change) => index.apply(change), search: (probes) => index.search(probes) };
});
