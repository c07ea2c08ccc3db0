// What benchmarks and tests measure with, too.
export { identityOf, imagesByIdentity, readDataSet, type DataSet, type ImagePair } from './data-set.js';
export {
  degradedRates,
  embedDegraded,
  fusedRates,
  qualityAgainstErrors,
  type DegradedRun,
  type Trial,
} from './degraded-probes.js';
export {
  centralFace,
  embedImages,
  unprotected,
  type EmbeddedFace,
  type EmbeddedImages,
  type MeasuredRecogniser,
} from './embed-images.js';
export { evaluateModel, type EvaluationOptions } from './evaluate-model.js';
export { evaluationReportSchema, type EvaluationReport } from './evaluation-report.js';
export type { EvaluatedModel, EvaluatedModels, EvaluationProgress, EvaluationRequest } from './evaluation-request.js';
export { drawnRates, measure, perRate, type Measurement, type Vectors, type VectorsOf } from './measure.js';
export type { Live } from './presentation-attacks/attacks.js';
export { livePeopleOf, livePerson } from './presentation-attacks/live-people.js';
export { cropped, shrunkTo } from './presentation-attacks/pixels.js';
export {
  liveScoreOf,
  presentationsOf,
  PresentationScores,
  type PresentationRates,
} from './presentation-attacks/presentation-rates.js';
export { openModels } from './evaluation-run.js';
