import { distance } from './boxes.js';
import type { FivePoints } from './five-points.js';
import type { LumaStatistics } from './resampler.js';

export interface QualityFactors {
  /** Pixels between the eyes. */
  readonly size: number;
  readonly sharpness: number;
  readonly pose: number;
  readonly exposure: number;
  readonly agreement: number;
}

/** Eye distance below which nothing is left of a face, and at which the 112 × 112 template loses none. */
const EYES_WORST_PX = 6;
const EYES_BEST_PX = 35;
/** Variance of the Laplacian at which sharpness is one half. */
const HALF_SHARPNESS = 60;
/** Nose's distance from the eyes' perpendicular bisector, in eye distances, at which pose is 0. */
const YAW_WORST = 0.6;
/** Of the way from the eyes to the mouth, where a frontal face has its nose, and how far off pose is 0. */
const NOSE_FRONTAL = 0.52;
const PITCH_WORST = 0.45;
/** Mean luma range that costs nothing, and how much contrast (standard deviation) a good face has. */
const DARK = 60;
const BRIGHT = 200;
const CONTRAST_BEST = 30;
/** Of the eye distance, by which a point moves between two looks at a face of which half is left. */
const DISAGREEMENT = 0.2;

/**
 * Fitness for recognition: the geometric mean of four factors, each 0 to 1, so that one that fails alone
 * pulls the whole down, times a fifth.
 *
 * - size: linear in the eye distance, 0 at 6 px, 1 at 35 px, the template's own;
 * - sharpness: v / (v + 60), v the variance of the Laplacian of the aligned face's luma (Pech-Pacheco 2000);
 * - pose: (1 − yaw) · (1 − pitch), from where the nose lies between eyes and mouth;
 * - exposure: mean luma within 60 to 200, falling to 0 at black and white, times the contrast up to 30;
 * - agreement: 1 / √(1 + d / 0.2), d the farthest that a point moved from the first look at the face to the second,
 *   in eye distances. Hands, masks and whatever else hides a part have the two looks see different faces, and it
 *   costs nothing. Never 0: a box that lies badly on a good face has them disagree as well.
 *
 * @param points in pixels of the frame, @param luma of the face as warped to the template
 * @param firstLook the points as they were first found; agreement is 1 without
 * @returns 0 to 1
 */
export function faceQuality(points: FivePoints, luma: LumaStatistics, firstLook: FivePoints = points): number {
  const { size, sharpness, pose, exposure, agreement } = qualityFactors(points, luma, firstLook);
  return (size * sharpness * pose * exposure) ** 0.25 * agreement;
}

/** The factors of {@link faceQuality}. */
export function qualityFactors(
  points: FivePoints,
  luma: LumaStatistics,
  firstLook: FivePoints = points,
): QualityFactors {
  const eyes = distance(points[0], points[1]);
  const moved = Math.max(...points.map((point, index) => distance(point, firstLook[index] ?? point)));
  return {
    size: unit((eyes - EYES_WORST_PX) / (EYES_BEST_PX - EYES_WORST_PX)),
    sharpness: luma.laplacianVariance / (luma.laplacianVariance + HALF_SHARPNESS),
    pose: poseFactor(points),
    exposure: exposureFactor(luma),
    agreement: eyes > 0 ? 1 / Math.sqrt(1 + moved / eyes / DISAGREEMENT) : 0,
  };
}

function poseFactor([leftEye, rightEye, nose, leftMouth, rightMouth]: FivePoints): number {
  const eyes = distance(leftEye, rightEye);
  if (!(eyes > 0)) return 0;
  const acrossX = (rightEye.x - leftEye.x) / eyes;
  const acrossY = (rightEye.y - leftEye.y) / eyes;
  const middleX = (leftEye.x + rightEye.x) / 2;
  const middleY = (leftEye.y + rightEye.y) / 2;
  const across = (x: number, y: number): number => (x - middleX) * acrossX + (y - middleY) * acrossY;
  const down = (x: number, y: number): number => (y - middleY) * acrossX - (x - middleX) * acrossY;
  const mouthX = (leftMouth.x + rightMouth.x) / 2;
  const mouthY = (leftMouth.y + rightMouth.y) / 2;
  const mouthDown = down(mouthX, mouthY);
  if (!(mouthDown > 0)) return 0;
  const yaw = Math.abs(across(nose.x, nose.y)) / eyes / YAW_WORST;
  const pitch = Math.abs(down(nose.x, nose.y) / mouthDown - NOSE_FRONTAL) / PITCH_WORST;
  return unit(1 - yaw) * unit(1 - pitch);
}

function exposureFactor({ mean, deviation }: LumaStatistics): number {
  return unit(mean / DARK) * unit((255 - mean) / (255 - BRIGHT)) * unit(deviation / CONTRAST_BEST);
}

function unit(value: number): number {
  return Math.min(1, Math.max(0, value));
}
