export { decodeImage, type DecodeOptions } from './decode-image.js';
export { embeddingOf } from './embedding.js';
export { minimumQuality } from './minimum-quality.js';
export { openRecogniser, type RecogniserOptions, type RecognitionBundle } from './open-recogniser.js';
export * from './recogniser.js';
export { computeSelfTest, runSelfTest } from './self-test.js';
export { syntheticFrame } from './synthetic-frame.js';
