export { thresholdAt, type CalibrationPoint } from './calibration.js';
export { cosine } from './cosine.js';
export {
  byScoreThenPerson,
  decideOpenSet,
  type OpenSetDecision,
  type OpenSetInput,
  type OperatingPoint,
  type ScoredPerson,
} from './open-set.js';
