import type { rest } from '@sightline/contracts';
import type { KeyId, Sha256, SpaceId } from '@sightline/kernel';
import type { Face } from '@sightline/recognition';
import type { Template } from '@sightline/template-protection';

/** A face as REST shows it: where it is and how good, nothing to recognise it by. */
export function toRestFace({ box, fivePoints, score, quality }: Face): rest.Face {
  const [leftEye, rightEye, nose, leftMouthCorner, rightMouthCorner] = fivePoints;
  return {
    box: { ...box },
    fivePoints: { leftEye, rightEye, nose, leftMouthCorner, rightMouthCorner },
    detectionScore: score,
    quality,
  };
}

export function toRestTemplate({ spaceId, data, ...template }: Template): rest.Template {
  return { modelSpace: spaceId, ...template, data: Buffer.from(data).toString('base64') };
}

/** A template that a client sends back. Its components are not looked at. */
export function fromRestTemplate({ modelSpace, keyId, variantDigest, data, ...template }: rest.Template): Template {
  return {
    ...template,
    spaceId: modelSpace as SpaceId,
    keyId: keyId as KeyId,
    variantDigest: variantDigest as Sha256,
    data: new Uint8Array(Buffer.from(data, 'base64')),
  };
}
