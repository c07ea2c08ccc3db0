import type { Point } from './frame.js';

/** Left eye, right eye, nose, left and right mouth corner, as seen in the picture. */
export type FivePoints = readonly [Point, Point, Point, Point, Point];

// Indices of the 68 points of the iBUG 300-W mark-up.
const LEFT_EYE = [37, 38, 40, 41] as const;
const RIGHT_EYE = [43, 44, 46, 47] as const;
const NOSE_TIP = [30] as const;
const LEFT_MOUTH = [48, 60] as const;
const RIGHT_MOUTH = [54, 64] as const;

/** Five points from 68. The eyes are the means of their lids without the corners, a mouth corner is the mean of the
 * outer and the inner lip's. */
export function fivePointsOf68(points: readonly Point[]): FivePoints {
  const mean = (indices: readonly number[]): Point => centroid(indices.flatMap((index) => points[index] ?? []));
  return [mean(LEFT_EYE), mean(RIGHT_EYE), mean(NOSE_TIP), mean(LEFT_MOUTH), mean(RIGHT_MOUTH)];
}

function centroid(points: readonly Point[]): Point {
  let [x, y] = [0, 0];
  for (const point of points) {
    x += point.x / points.length;
    y += point.y / points.length;
  }
  return { x, y };
}
