import type { Metrics } from '@sightline/observability';

import type { AgentImagesStatus } from './compose-images.js';

/** Metrics of sealed images. */
export function describeImages(metrics: Metrics, status: () => AgentImagesStatus): void {
  metrics.gauge({
    name: 'sightline_edge_images_enabled',
    help: '1 while the box is to keep sealed images.',
    read: () => [{ value: Number(status().enabled) }],
  });
  metrics.gauge({
    name: 'sightline_edge_images_waiting',
    help: 'Sealed images that are not uploaded yet.',
    read: () => [{ value: status().waiting }],
  });
  metrics.gauge({
    name: 'sightline_edge_images_waiting_bytes',
    help: 'Bytes of the images that are not uploaded yet.',
    read: () => [{ value: status().waitingBytes }],
  });
  metrics.counter({
    name: 'sightline_edge_images_total',
    help: 'Images by what became of them; dropped: for want of room or too old; refused: the cloud did not want them.',
    labels: ['outcome'],
    read: () => {
      const { sealed, failed, uploaded, refused, dropped } = status();
      return Object.entries({ sealed, failed, uploaded, refused, dropped }).map(([outcome, value]) => ({
        value,
        labels: { outcome },
      }));
    },
  });
  metrics.gauge({
    name: 'sightline_edge_images_problem',
    help: '1 for the code of what keeps images from being uploaded.',
    labels: ['code'],
    read: () => {
      const { problem } = status();
      return problem === null ? [] : [{ value: 1, labels: { code: problem } }];
    },
  });
}
