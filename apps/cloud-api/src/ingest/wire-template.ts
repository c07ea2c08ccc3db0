import { TemplateCodec as WireCodec, type Template as WireTemplate } from '@sightline/contracts';
import { AppError, type KeyId, type Sha256, type SpaceId } from '@sightline/kernel';
import type { Template, TemplateCodec } from '@sightline/template-protection';

const codecs: Readonly<Partial<Record<WireCodec, TemplateCodec>>> = {
  [WireCodec.INT8]: 'int8',
  [WireCodec.FLOAT16]: 'float16',
};

/**
 * A template as a device sent it. Its components are checked where it is compared.
 *
 * @throws AppError `TEMPLATE.INVALID` (unknown codec, malformed name or digest)
 */
export function templateFromWire(wire: WireTemplate): Template {
  const codec = codecs[wire.codec];
  const named = wire.modelSpace.length > 0 && wire.modelSpace.length <= 100 && wire.keyId.length > 0;
  if (codec === undefined || !named || wire.variantDigest.length !== 32) {
    throw new AppError('TEMPLATE.INVALID', 'The template has no known codec, model space, key or variant.');
  }
  return {
    spaceId: wire.modelSpace as SpaceId,
    keyId: wire.keyId as KeyId,
    variantDigest: Buffer.from(wire.variantDigest).toString('hex') as Sha256,
    codec,
    scale: wire.scale,
    dimension: wire.dimension,
    data: wire.data,
    quality: wire.quality,
  };
}
