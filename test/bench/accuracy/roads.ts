import type { EmbedderSpec, LandmarksSpec, VerifiedBundle } from '@sightline/contracts';
import { bundleOf } from '@sightline/testing';

import type { Sides } from './road-rows.js';

/** A way to run the bundle's models: what a release's manifest would state. */
export interface Configuration {
  /** For progress. */
  readonly name: string;
  readonly landmarks: Pick<LandmarksSpec, 'crop' | 'refinement'>;
  /** Undefined: as the bundle says. */
  readonly alignmentTemplate?: EmbedderSpec['alignmentTemplate'] | undefined;
  /** Whether what all faces have in common is taken out, as the bundle says. */
  readonly centred?: boolean;
}

/** A row of the table: how the models are run, and how the vectors of each side are made. */
export interface Road {
  readonly name: string;
  readonly configuration: Configuration;
  readonly sides?: Sides;
}

/** As published with ArcFace (Deng et al., 2019). */
const published: EmbedderSpec['alignmentTemplate'] = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
];
const crop = { scale: 0.92, down: 0.09 };
const wholeBox = { scale: 1, down: 0 };
const refinement = { centre: [55.5, 74], side: 104 } satisfies Partial<LandmarksSpec['refinement']>;
const secondLook: LandmarksSpec['refinement'] = { ...refinement, views: ['plain'] };

const noRoad: Configuration = { name: 'no road', landmarks: { crop: wholeBox }, alignmentTemplate: published };

/** Everything that the bundle does but for the centre of the embeddings, which is measured with it. */
export const uncentred: Configuration = {
  name: 'template, crop and second look together',
  landmarks: { crop, refinement: secondLook },
};
/** What the bundle says. */
export const released: Configuration = { ...uncentred, name: 'the same, centred', centred: true };
const mirroredLook: Configuration = {
  name: 'together, second look in a mirror too',
  landmarks: { crop, refinement: { ...refinement, views: ['plain', 'mirrored'] } },
};

const road = (configuration: Configuration): Road => ({ name: configuration.name, configuration });
const alone = (name: string, change: Partial<Configuration>): Road => road({ ...noRoad, name, ...change });

/** What is tried: one road alone each, then together. Rows of one configuration lie together and share a run. */
export const roads: readonly Road[] = [
  road(noRoad),
  { ...road(noRoad), name: 'six views at enrolment', sides: { enrolled: 'enrolled' } },
  alone('template shifted', { alignmentTemplate: undefined }),
  alone('lower crop', { landmarks: { crop } }),
  alone('second look', { landmarks: { crop: wholeBox, refinement: secondLook } }),
  alone('centred embeddings', { centred: true }),
  road(mirroredLook),
  road(uncentred),
  road(released),
  { name: 'the same, six views at enrolment (default)', configuration: released, sides: { enrolled: 'enrolled' } },
  {
    name: 'the same, six views on both sides',
    configuration: released,
    sides: { enrolled: 'enrolled', probe: 'enrolled' },
  },
];

export function bundleWith(bundle: VerifiedBundle, configuration: Configuration): VerifiedBundle {
  const { landmarks, alignmentTemplate, centred = false } = configuration;
  const { manifest } = bundle;
  const { decoder, input } = manifest.landmarks.spec;
  const { centre, ...embedder } = manifest.embedder.spec;
  const spec: EmbedderSpec = {
    ...embedder,
    ...(centred && centre && { centre }),
    ...(alignmentTemplate && { alignmentTemplate }),
  };
  return bundleOf(
    {
      ...manifest,
      landmarks: { ...manifest.landmarks, spec: { decoder, input, ...landmarks } },
      embedder: { ...manifest.embedder, spec },
    },
    (target) => bundle.read(target),
  );
}
