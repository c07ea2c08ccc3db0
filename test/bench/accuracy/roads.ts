import type { EmbedderSpec, LandmarksSpec, VerifiedBundle } from '@sightline/contracts';
import { bundleOf } from '@sightline/testing';

import type { BoxRoad } from './box-roads.js';
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
  /** How the detector's boxes are made better. No manifest can state it. */
  readonly boxes?: BoxRoad;
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

const secondPass: BoxRoad = { secondPass: 2 };
const fused: BoxRoad = { fusedByScore: 4 };

const noRoad: Configuration = { name: 'no road', landmarks: { crop: wholeBox }, alignmentTemplate: published };

/** Everything that the bundle does but for the centre of the embeddings, which is measured with it. */
export const uncentred: Configuration = {
  name: 'template, crop and second look together',
  landmarks: { crop, refinement: secondLook },
};
/** What the bundle says. */
export const released: Configuration = { ...uncentred, name: 'the same, centred', centred: true };
const oneLook: Configuration = { ...released, name: 'one look, template, crop and centre', landmarks: { crop } };
const mirroredLook: Configuration = {
  name: 'together, second look in a mirror too',
  landmarks: { crop, refinement: { ...refinement, views: ['plain', 'mirrored'] } },
};

const road = (configuration: Configuration): Road => ({ name: configuration.name, configuration });
const alone = (name: string, change: Partial<Configuration>): Road => road({ ...noRoad, name, ...change });
const withBoxes = (base: Configuration, name: string, boxes: BoxRoad): Road => road({ ...base, name, boxes });
const enrolment: Sides = { enrolled: 'enrolled' };

/** What is tried: one road alone each, then together. Rows of one configuration lie together and share a run. */
export const roads: readonly Road[] = [
  road(noRoad),
  { ...road(noRoad), name: 'six views at enrolment', sides: enrolment },
  alone('template shifted', { alignmentTemplate: undefined }),
  alone('lower crop', { landmarks: { crop } }),
  alone('second look', { landmarks: { crop: wholeBox, refinement: secondLook } }),
  alone('centred embeddings', { centred: true }),
  alone('second detector pass alone', { boxes: secondPass }),
  alone('fused boxes alone', { boxes: fused }),
  road(mirroredLook),
  road(uncentred),
  road(released),
  { name: 'the same, six views at enrolment (default)', configuration: released, sides: enrolment },
  {
    name: 'the same, six views on both sides',
    configuration: released,
    sides: { enrolled: 'enrolled', probe: 'enrolled' },
  },
  withBoxes(released, 'the same, centred, with a second detector pass', secondPass),
  withBoxes(released, 'the same, centred, with fused boxes', fused),
  road(oneLook),
  withBoxes(oneLook, 'one look with a second detector pass', secondPass),
  withBoxes(oneLook, 'one look with fused boxes', fused),
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
