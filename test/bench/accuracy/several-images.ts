import { openSetRates, runOpenSetTrial, type EvaluationImage, unitSum } from '@sightline/matching';
import {
  type DataSet,
  drawnRates,
  imagesByIdentity,
  perRate,
  type VectorsOf,
} from '@sightline/model-registry/evaluation';

const MOST = 3;

/** How several enrolled images of a person are used. */
export interface SeveralImages {
  readonly name: string;
  readonly images: number;
  /** One template each, of which the nearest counts, or a single one of their sum. */
  readonly kept: 'each' | 'sum';
}

export const severalImages: readonly SeveralImages[] = [
  { name: '1 image a person', images: 1, kept: 'each' },
  { name: '2 images, nearest counts', images: 2, kept: 'each' },
  { name: '2 images, summed', images: 2, kept: 'sum' },
  { name: '3 images, nearest counts', images: 3, kept: 'each' },
  { name: '3 images, summed', images: 3, kept: 'sum' },
];

/** Open-set rates with several enrolled images: the same probes for each way, of people with four images or more. */
export function measureSeveralImages(data: DataSet, vectorsOf: VectorsOf, { images, kept }: SeveralImages) {
  const people = imagesByIdentity(data.images).filter(([, own]) => own.length > MOST);
  const trial = runOpenSetTrial({
    enrolled: people.flatMap(([, own], identity) => {
      const enrolled = own.slice(0, images).flatMap((image) => asImage(vectorsOf, image, identity));
      return kept === 'each' ? enrolled : summed(enrolled, identity);
    }),
    probes: people.flatMap(([, own], identity) =>
      own.slice(MOST).flatMap((image) => asImage(vectorsOf, image, identity)),
    ),
    strangers: data.strangers.flatMap((image) => asImage(vectorsOf, image, -1)),
  });
  return {
    people: people.length,
    openSet: perRate(openSetRates(trial, [0.1, 0.03, 0.01]).map(({ falseNegativeRate }) => 100 * falseNegativeRate)),
    openSet20: drawnRates(trial),
  };
}

function asImage(vectorsOf: VectorsOf, image: string, identity: number): EvaluationImage[] {
  const vectors = vectorsOf(image);
  return vectors ? [{ identity, ...vectors }] : [];
}

function summed(images: readonly EvaluationImage[], identity: number): EvaluationImage[] {
  const [first] = images;
  if (first === undefined) return [];
  return [{ identity, enrolled: unitSum(images.map(({ enrolled }) => enrolled)), probe: first.probe }];
}
