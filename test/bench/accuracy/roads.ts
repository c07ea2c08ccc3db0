import type { EmbedderSpec, LandmarksSpec, VerifiedBundle } from '@sightline/contracts';
import { bundleOf } from '@sightline/testing';

/** A way to run the bundle's models: what a release's manifest would state. */
export interface Configuration {
  readonly name: string;
  readonly landmarks: Pick<LandmarksSpec, 'crop' | 'refinement'>;
  readonly alignmentTemplate?: EmbedderSpec['alignmentTemplate'];
  /** Whether what all faces have in common is taken out, as the bundle says. */
  readonly centred?: boolean;
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

/** Everything that the bundle does but for the centre of the embeddings, which is measured with it. */
export const uncentred: Configuration = {
  name: 'template, crop and second look together',
  landmarks: { crop, refinement: secondLook },
};

/** What else is tried: one road alone each, and more of the same. */
export const configurations: readonly Configuration[] = [
  { name: 'no road', landmarks: { crop: wholeBox }, alignmentTemplate: published },
  { name: 'template shifted', landmarks: { crop: wholeBox } },
  { name: 'lower crop', landmarks: { crop }, alignmentTemplate: published },
  { name: 'second look', landmarks: { crop: wholeBox, refinement: secondLook }, alignmentTemplate: published },
  { name: 'centred embeddings', landmarks: { crop: wholeBox }, alignmentTemplate: published, centred: true },
  {
    name: 'together, second look in a mirror too',
    landmarks: { crop, refinement: { ...refinement, views: ['plain', 'mirrored'] } },
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
