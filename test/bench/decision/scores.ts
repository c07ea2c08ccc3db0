import type { PersonId } from '@sightline/kernel';
import type { ScoredPerson } from '@sightline/matching';
import { type DataSet, identityOf, type Vectors } from '@sightline/model-registry/evaluation';

/** Every image as a probe against every image as enrolled, and against every other as a probe. */
export interface Scores {
  readonly images: number;
  /** The identity of each image, from 0; images of one identity are neighbours, in name order. */
  readonly identityOf: Int32Array;
  /** The images of each identity. */
  readonly imagesOf: readonly (readonly number[])[];
  /** Cosine of `probe`'s vector with `enrolled`'s as it is enrolled. */
  score(probe: number, enrolled: number): number;
  /** Cosine of two probes. */
  between(probe: number, other: number): number;
  readonly vectors: readonly Vectors[];
}

/** Images without a face are left out. */
export function scoresOf(data: DataSet, vectorsOf: (image: string) => Vectors | undefined): Scores {
  const found = data.images.flatMap((image) => {
    const vectors = vectorsOf(image);
    return vectors ? [{ identity: identityOf(image), vectors }] : [];
  });
  const numbers = new Map([...new Set(found.map(({ identity }) => identity))].map((name, number) => [name, number]));
  const owners = Int32Array.from(found, ({ identity }) => numbers.get(identity) ?? -1);
  const imagesOf: number[][] = [...numbers].map(() => []);
  owners.forEach((owner, image) => imagesOf[owner]?.push(image));
  const vectors = found.map((one) => one.vectors);
  const images = vectors.length;
  const matrix = new Float32Array(images * images);
  vectors.forEach(({ probe }, row) => {
    vectors.forEach(({ enrolled }, column) => (matrix[row * images + column] = product(probe, enrolled)));
  });
  return {
    ...{ images, imagesOf, vectors, identityOf: owners },
    score: (probe, enrolled) => matrix[probe * images + enrolled] ?? -1,
    between: (probe, other) => product(vectors[probe]?.probe, vectors[other]?.probe),
  };
}

/** The nearest two people of a gallery of one enrolled image each, as a search finds them. */
export function nearestTwo(scores: Scores, probe: number, gallery: readonly number[]): readonly ScoredPerson[] {
  let [first, second] = [-1, -1];
  let [best, next] = [-2, -2];
  for (const enrolled of gallery) {
    const score = scores.score(probe, enrolled);
    if (score > best) [second, next, first, best] = [first, best, enrolled, score];
    else if (score > next) [second, next] = [enrolled, score];
  }
  return [
    { personId: personOf(scores, first), score: best },
    { personId: personOf(scores, second), score: next },
  ];
}

export function personOf({ identityOf: owners }: Scores, image: number): PersonId {
  return String(owners[image] ?? -1) as PersonId;
}

/** The vectors have length one. */
export function product(one: Float32Array = new Float32Array(), other: Float32Array = new Float32Array()): number {
  let [first, second, third, fourth] = [0, 0, 0, 0];
  for (let index = 0; index < one.length; index += 4) {
    first += (one[index] ?? 0) * (other[index] ?? 0);
    second += (one[index + 1] ?? 0) * (other[index + 1] ?? 0);
    third += (one[index + 2] ?? 0) * (other[index + 2] ?? 0);
    fourth += (one[index + 3] ?? 0) * (other[index + 3] ?? 0);
  }
  return first + second + third + fourth;
}

/** The numbers from 0 in a random order (Fisher and Yates). */
export function shuffled(count: number, random: (below: number) => number): number[] {
  const order = Array.from({ length: count }, (_, number) => number);
  for (let last = count - 1; last > 0; last -= 1) {
    const pick = random(last + 1);
    [order[last], order[pick]] = [order[pick] ?? 0, order[last] ?? 0];
  }
  return order;
}
