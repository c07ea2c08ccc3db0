export { decodeTemplate, encodeTemplate, type TemplateOrigin } from './codec.js';
export { CodedRows } from './coded-rows.js';
export { openTemplateKey, sealTemplateKey, type DeliveredTemplateKey } from './delivered-key.js';
export { newX25519KeyPair, x25519PublicKey } from './hpke.js';
export { poolTemplates } from './pool.js';
export { writeProbeCodes } from './probe-codes.js';
export { createTemplateProtector, templateKeyId, type TemplateKey } from './protector.js';
export { createTemplateRekeyer, type TemplateRekeyer } from './rekeying.js';
export {
  IMAGE_KEY_BYTES,
  imageKeyId,
  openImage,
  sealedImageKeyId,
  sealImage,
  SEALED_IMAGE_OVERHEAD,
} from './sealed-image.js';
export { createSealer, openWithKey, sealWithKey, type Sealer } from './sealing.js';
export * from './template.js';
export {
  assertComparable,
  assertDimension,
  validateCodedVector,
  validateTemplate,
  type CodedVector,
  type TemplateBelonging,
} from './validate.js';
