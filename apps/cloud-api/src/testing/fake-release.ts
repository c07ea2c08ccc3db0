import type { KeyId, Sha256, SpaceId } from '@sightline/kernel';
import type { Recogniser } from '@sightline/recognition';
import {
  encodeTemplate,
  type Template,
  type TemplateCodec,
  type TemplateProtector,
} from '@sightline/template-protection';

import type { ActiveRelease, ReleaseSource } from '../releases/active-release.js';

export const DIMENSION = 16;
export const SPACE = 'test-space' as SpaceId;
export const VARIANT = 'ab'.repeat(32) as Sha256;
export const RELEASE_DIGEST = 'cd'.repeat(32) as Sha256;
/** Threshold at the false-match rate of the test's configuration, 1e-3. */
export const THRESHOLD = 0.5;

/** A release without models, for tests that send templates and no photos. */
export function fakeRelease(dimension = DIMENSION): ActiveRelease {
  const recogniser: Recogniser = {
    spaceId: SPACE,
    variantDigest: VARIANT,
    dimension,
    provider: 'none',
    scoresPresentations: false,
    detect: () => Promise.reject(new Error('this release has no detector')),
    embed: () => Promise.reject(new Error('this release has no embedder')),
    liveScores: () => Promise.reject(new Error('this release scores no presentations')),
    close: () => Promise.resolve(),
  };
  const points = [
    { falseMatchRate: 1e-2, threshold: 0.4 },
    { falseMatchRate: 1e-3, threshold: THRESHOLD },
  ];
  return {
    manifest: {
      version: '1.0.0',
      modelSpace: { id: SPACE, dimension },
      calibration: { variantDigest: VARIANT, dataSet: 'none', impostorPairs: 1, points },
    },
    digest: RELEASE_DIGEST,
    recogniser,
  };
}

export const fakeReleaseSource: ReleaseSource = { open: () => Promise.resolve(fakeRelease()) };

/** An embedding that points along one axis, with some of the next: two with different axes score about 0. */
export function axis(index: number, tilt = 0): Float32Array {
  const vector = new Float32Array(DIMENSION);
  vector[index % DIMENSION] = 1;
  vector[(index + 1) % DIMENSION] = tilt;
  return vector;
}

/** A template of an embedding under a tenant's key. */
export function templateOf(
  embedding: Float32Array,
  protector: TemplateProtector,
  changes: { readonly codec?: TemplateCodec; readonly spaceId?: SpaceId; readonly keyId?: KeyId } = {},
): Template {
  return encodeTemplate(protector.protect(embedding), {
    spaceId: changes.spaceId ?? SPACE,
    keyId: changes.keyId ?? protector.keyId,
    variantDigest: VARIANT,
    codec: changes.codec ?? 'int8',
    quality: 0.8,
  });
}
