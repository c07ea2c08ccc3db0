import type { LandmarksSpec, VerifiedBundle } from '@sightline/contracts';
import { bundleOf } from '@sightline/testing';

/** A way to run the bundle's models: what a release's manifest would state. */
export interface Configuration {
  readonly name: string;
  readonly landmarks: Pick<LandmarksSpec, 'crop' | 'refinement'>;
}

const crop = { scale: 0.92, down: 0.09 };
const refinement = { centre: [56, 75], side: 104 } satisfies Partial<LandmarksSpec['refinement']>;
const wholeBox = { scale: 1, down: 0 };

/** What is tried beside the configuration of the bundle itself: one road alone each, and more of the same. */
export const configurations: readonly Configuration[] = [
  { name: 'no road', landmarks: { crop: wholeBox } },
  { name: 'lower crop', landmarks: { crop } },
  { name: 'second look', landmarks: { crop: wholeBox, refinement: { ...refinement, views: ['plain'] } } },
  {
    name: 'lower crop, two second looks',
    landmarks: { crop, refinement: { ...refinement, views: ['plain', 'mirrored'] } },
  },
];

export function bundleWith(bundle: VerifiedBundle, { landmarks }: Configuration): VerifiedBundle {
  const { manifest } = bundle;
  const spec: LandmarksSpec = {
    decoder: manifest.landmarks.spec.decoder,
    input: manifest.landmarks.spec.input,
    ...landmarks,
  };
  return bundleOf({ ...manifest, landmarks: { ...manifest.landmarks, spec } }, (target) => bundle.read(target));
}
