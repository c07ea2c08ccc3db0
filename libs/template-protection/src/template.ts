import type { KeyId, Sha256, SpaceId } from '@sightline/kernel';

export type TemplateCodec = 'int8' | 'float16';

/**
 * A protected face embedding as it is stored and sent. Two templates may be compared only when both
 * `spaceId` and `keyId` agree; anything else is refused, never a low score.
 */
export interface Template {
  readonly spaceId: SpaceId;
  readonly keyId: KeyId;
  /** Digest of the embedder variant that made it. */
  readonly variantDigest: Sha256;
  readonly codec: TemplateCodec;
  /** component = scale · code; 1 for float16. Finite and positive. */
  readonly scale: number;
  readonly dimension: number;
  /** int8: `dimension` bytes; float16: 2 · `dimension` bytes, little endian. */
  readonly data: Uint8Array;
  /** Quality of the shot that it was made from, 0 to 1. */
  readonly quality: number;
}

/** One tenant's keyed transform in one epoch. */
export interface TemplateProtector {
  readonly keyId: KeyId;
  /**
   * Rotates a unit-length embedding of the protector's dimension: lengths and cosines are unchanged.
   *
   * @throws AppError `TEMPLATE.WRONG_DIMENSION`, `TEMPLATE.INVALID` (NaN, infinite or zero)
   */
  protect(embedding: Float32Array): Float32Array;
}
