import { deviation, mean } from '@sightline/matching';
import { type Vectors, type VectorsOf } from '@sightline/model-registry/evaluation';

/**
 * Symmetric score normalisation (s-norm) against a cohort: each side's mean and deviation of scores against the
 * cohort's faces are taken out of the score, ((s − μ₁) / σ₁ + (s − μ₂) / σ₂) / 2. Written as a dot product of
 * longer vectors, so that everything that compares vectors can be measured with it.
 */
export function normalisedAgainst(cohort: readonly Float32Array[], vectorsOf: VectorsOf): VectorsOf {
  const statistics = (vector: Float32Array): readonly [number, number] => {
    const scores = cohort.map((face) => face.reduce((sum, component, at) => sum + component * (vector[at] ?? 0), 0));
    return [mean(scores), deviation(scores)];
  };
  return cached((image) => {
    const vectors = vectorsOf(image);
    if (vectors === undefined) return undefined;
    const [enrolledMean, enrolledSpread] = statistics(vectors.enrolled);
    const [probeMean, probeSpread] = statistics(vectors.probe);
    return {
      enrolled: joined(scaled(vectors.enrolled, 0.5 / enrolledSpread), vectors.enrolled, [
        (-0.5 * enrolledMean) / enrolledSpread,
        1,
      ]),
      probe: joined(vectors.probe, scaled(vectors.probe, 0.5 / probeSpread), [1, (-0.5 * probeMean) / probeSpread]),
    };
  });
}

function cached(vectorsOf: VectorsOf): VectorsOf {
  const known = new Map<string, Vectors | undefined>();
  return (image) => {
    if (!known.has(image)) known.set(image, vectorsOf(image));
    return known.get(image);
  };
}

function scaled(vector: Float32Array, factor: number): Float32Array {
  return vector.map((component) => component * factor);
}

function joined(...parts: readonly (ArrayLike<number> & Iterable<number>)[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}
