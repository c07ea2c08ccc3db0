import { AppError } from '@sightline/kernel';

interface EmbeddingFormat {
  readonly dimension: number;
  /** What all faces have in common: it is taken out. */
  readonly centre?: readonly number[] | undefined;
}

/**
 * One embedding of one face from what the embedder made of its views: the mean of their directions, less the centre.
 *
 * @param outputs at least one
 * @returns a vector of length one
 * @throws AppError `TEMPLATE.WRONG_DIMENSION`, `TEMPLATE.INVALID` when an output is not finite or zero, or they cancel out
 */
export function embeddingOf(outputs: readonly Float32Array[], { dimension, centre }: EmbeddingFormat): Float32Array {
  const embedding = new Float32Array(dimension);
  for (const output of outputs) {
    if (output.length !== dimension) {
      throw new AppError(
        'TEMPLATE.WRONG_DIMENSION',
        'The embedder yields another dimension than its manifest states.',
        { details: { expected: dimension, actual: output.length } },
      );
    }
    add(embedding, output, 1 / usableLength(output));
  }
  toUnitLength(embedding);
  if (centre === undefined) return embedding;
  add(embedding, centre, -1);
  toUnitLength(embedding);
  return embedding;
}

function add(sum: Float32Array, vector: ArrayLike<number>, factor: number): void {
  for (let index = 0; index < sum.length; index++) sum[index] = (sum[index] ?? 0) + factor * (vector[index] ?? 0);
}

function toUnitLength(vector: Float32Array): void {
  const length = usableLength(vector);
  for (let index = 0; index < vector.length; index++) vector[index] = (vector[index] ?? 0) / length;
}

function usableLength(vector: Float32Array): number {
  let squares = 0;
  for (const component of vector) squares += component * component;
  const length = Math.sqrt(squares);
  if (length > 1e-6 && Number.isFinite(length)) return length;
  throw new AppError('TEMPLATE.INVALID', 'The embedder yields a vector that is not finite, or zero.');
}
