import { createHash, generateKeyPairSync, sign } from 'node:crypto';

import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  CachedPersonSchema,
  GalleryDeltaBodySchema,
  GalleryDeltaSchema,
  type CachedPerson,
  type GalleryDelta,
} from '@sightline/contracts';
import { seededIntegers, type KeyId, type PersonId, type Sha256, type SpaceId } from '@sightline/kernel';
import { encodeTemplate, type Template } from '@sightline/template-protection';

import { wireTemplate } from '../pipeline/sighting-record.js';

export const DIMENSION = 32;
export const belonging = { spaceId: 'fake-space' as SpaceId, keyId: 'fake-key' as KeyId, dimension: DIMENSION };

/** The id of the person of a number. */
export function personId(number: number): PersonId {
  return `0190a5c8-0000-7000-8000-${String(number).padStart(12, '0')}` as PersonId;
}

/** The face of a person of a number: two of them are nearly orthogonal. `shot` moves it a little. */
export function faceTemplate(number: number, shot = 0, where = belonging): Template {
  const vector = gaussians(number + 1, where.dimension);
  const noise = gaussians(1_000_000 + number * 64 + shot, where.dimension);
  const moved = vector.map((component, index) => component + 0.2 * (noise[index] ?? 0));
  return encodeTemplate(moved, {
    ...{ spaceId: where.spaceId, keyId: where.keyId, codec: 'int8', quality: 0.8 },
    variantDigest: '0'.repeat(64) as Sha256,
  });
}

export function cachedPerson(
  number: number,
  { shots = [1], groups = [], where = belonging }: Partial<PersonOptions> = {},
): CachedPerson {
  const templates = shots.map((shot) => wireTemplate(faceTemplate(number, shot, where)));
  return create(CachedPersonSchema, { personId: personId(number), templates, groups: [...groups] });
}

interface PersonOptions {
  readonly shots: readonly number[];
  readonly groups: readonly string[];
  readonly where: typeof belonging;
}

/** The cloud's end of the cache's contract: signs whatever it is told to. */
export class DeltaSigner {
  readonly #keys = generateKeyPairSync('ed25519');

  /** What the box is provisioned with. */
  get gallery(): { readonly signingKeyId: string; readonly signingKey: string } {
    const signingKey = this.#keys.publicKey.export({ format: 'der', type: 'spki' });
    const signingKeyId = createHash('sha256').update(signingKey).digest('hex').slice(0, 16);
    return { signingKeyId, signingKey: signingKey.toString('base64') };
  }

  /** A signed delta of acme's box door-1. */
  delta(body: MessageInitShape<typeof GalleryDeltaBodySchema>, correlationId = 'c'): GalleryDelta {
    const complete = create(GalleryDeltaBodySchema, { tenantId: 'acme', deviceId: 'door-1', ...body });
    return this.sign(toBinary(GalleryDeltaBodySchema, complete), correlationId);
  }

  sign(body: Uint8Array, correlationId = 'c'): GalleryDelta {
    const signature = sign(null, body, this.#keys.privateKey);
    const { signingKeyId } = this.gallery;
    return create(GalleryDeltaSchema, { schemaVersion: 1, correlationId, body, signature, signingKeyId });
  }
}

/** Sums of uniform numbers: near enough to a bell curve. */
function gaussians(seed: number, count: number): Float32Array {
  const below = seededIntegers(seed);
  return Float32Array.from({ length: count }, () => {
    const sum = [0, 0, 0, 0].reduce((total) => total + below(65_536), 0);
    return (sum - 131_070) / 37_837;
  });
}
