export { thresholdAt, type CalibrationPoint } from './calibration.js';
export { cosine } from './cosine.js';
export { compareAll, type Comparisons, type EvaluationImage } from './evaluation/comparisons.js';
export { trueAcceptInterval, type Interval } from './evaluation/identity-bootstrap.js';
export { drawHalf, openSetRates, runOpenSetTrial, type OpenSetTrial } from './evaluation/open-set-rates.js';
export { crossValidated, thresholdOf, type RatedThreshold } from './evaluation/operating-points.js';
export { verificationAccuracy, type ScoredPair } from './evaluation/verification.js';
export {
  byScoreThenPerson,
  decideOpenSet,
  type OpenSetDecision,
  type OpenSetInput,
  type OperatingPoint,
  type ScoredPerson,
} from './open-set.js';
