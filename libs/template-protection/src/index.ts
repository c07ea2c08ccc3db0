export { decodeTemplate, encodeTemplate, type TemplateOrigin } from './codec.js';
export { CodedRows } from './coded-rows.js';
export { openTemplateKey, sealTemplateKey, type DeliveredTemplateKey } from './delivered-key.js';
export { poolTemplates } from './pool.js';
export { createTemplateProtector, templateKeyId, type TemplateKey } from './protector.js';
export { createTemplateRekeyer, type TemplateRekeyer } from './rekeying.js';
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
