import type { Box, Point } from './frame.js';

/** Left eye, right eye, nose, left and right mouth corner, as seen in the picture. */
export type FivePoints = readonly [Point, Point, Point, Point, Point];

// Indices of the 68 points of the iBUG 300-W mark-up.
const LEFT_EYE = [37, 38, 40, 41] as const;
const RIGHT_EYE = [43, 44, 46, 47] as const;
const NOSE_TIP = [30] as const;
const LEFT_MOUTH = [48, 60] as const;
const RIGHT_MOUTH = [54, 64] as const;

/**
 * Five points from 68. The eyes are the means of their lids without the corners, a mouth corner is the mean
 * of the outer and the inner lip's.
 *
 * @param values 136 numbers, x and y in turn, 0 to 1 of the crop
 * @param crop where the crop lies in the frame, pixels
 * @returns pixels of the frame; undefined when a value is not finite
 */
export function fivePointsOf68(values: Float32Array, crop: Box): FivePoints | undefined {
  if (values.length !== 136 || !values.every((value) => Number.isFinite(value))) return undefined;
  const mean = (indices: readonly number[]): Point => {
    let x = 0;
    let y = 0;
    for (const index of indices) {
      x += values[index * 2] ?? 0;
      y += values[index * 2 + 1] ?? 0;
    }
    return {
      x: crop.x + (x / indices.length) * crop.width,
      y: crop.y + (y / indices.length) * crop.height,
    };
  };
  return [mean(LEFT_EYE), mean(RIGHT_EYE), mean(NOSE_TIP), mean(LEFT_MOUTH), mean(RIGHT_MOUTH)];
}
