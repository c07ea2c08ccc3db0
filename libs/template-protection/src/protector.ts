import { hkdfSync } from 'node:crypto';

import { AppError, type KeyId, type TenantId } from '@sightline/kernel';

import { Matrix } from './matrix.js';
import { randomOrthogonalMatrix } from './orthogonal-matrix.js';
import type { TemplateProtector } from './template.js';
import { assertDimension, validateVector } from './validate.js';

const secretBytes = 32;
const largestDimension = 4096;

/** Whose key it is. The secret may be shared by tenants and epochs: each gets a key of its own from it. */
export interface TemplateKey {
  /** 32 bytes from a cryptographic source. */
  readonly secret: Uint8Array;
  readonly tenantId: TenantId;
  /** Rises with each rotation; the first is 1. */
  readonly epoch: number;
}

/**
 * The public name of a template key. It is a one-way function of the secret (HKDF-SHA-256, RFC 5869, with a
 * purpose of its own), the tenant and the epoch, so equal names mean equal keys and a name reveals nothing.
 *
 * @returns 32 lower-case hexadecimal digits
 * @throws AppError `TEMPLATE.INVALID_KEY`
 */
export function templateKeyId(key: TemplateKey): KeyId {
  return Buffer.from(derive(key, 'key-id', 16)).toString('hex') as KeyId;
}

/**
 * A tenant's keyed rotation: a dense orthogonal matrix, uniform over all of them, drawn from the secret. It
 * keeps every length and cosine, and vectors under two keys are unrelated directions.
 *
 * What it gives is revocability and pseudonymity, not anonymity: as many known pairs of embedding and template
 * as there are dimensions, or one stolen box, reveal the matrix. A few pairs fix only their own span.
 *
 * Building one costs about 4/3·dimension³ multiplications: keep it.
 *
 * @throws AppError `TEMPLATE.INVALID_KEY` (secret not 32 bytes, epoch or dimension out of range)
 */
export function createTemplateProtector(key: TemplateKey & { readonly dimension: number }): TemplateProtector {
  const { dimension } = key;
  const keyId = templateKeyId(key);
  const matrix = new Matrix(matrixOf(key, dimension), dimension);
  return {
    keyId,
    protect: (embedding) => {
      assertDimension(embedding.length, dimension);
      validateVector(embedding);
      return matrix.times(embedding);
    },
  };
}

/** @returns row-major, dimension × dimension */
export function matrixOf(key: TemplateKey, dimension: number): Float64Array {
  if (!Number.isInteger(dimension) || dimension < 2 || dimension > largestDimension) {
    throw new AppError('TEMPLATE.INVALID_KEY', `The dimension is not a whole number from 2 to ${largestDimension}.`);
  }
  return randomOrthogonalMatrix(derive(key, `matrix-${dimension}`, 32), dimension);
}

function derive({ secret, tenantId, epoch }: TemplateKey, purpose: string, bytes: number): Uint8Array {
  if (secret.length !== secretBytes) {
    throw new AppError('TEMPLATE.INVALID_KEY', `The secret of a template key has ${secretBytes} bytes.`);
  }
  if (!Number.isSafeInteger(epoch) || epoch < 1) {
    throw new AppError('TEMPLATE.INVALID_KEY', 'The epoch of a template key is a whole number from 1.');
  }
  // JSON keeps the parts apart whatever they contain.
  const info = JSON.stringify(['sightline/template-key/v1', purpose, tenantId, epoch]);
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), info, bytes));
}
