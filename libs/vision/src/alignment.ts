import { estimateSimilarity, invertAffine, type Affine } from './affine.js';
import type { FivePoints } from './five-points.js';

/** Where the five points lie in an aligned face, pixels. */
export type AlignmentTemplate = readonly (readonly [number, number])[];

/**
 * The similarity that fits a face's five points best to the template.
 *
 * @param points in pixels of the frame
 * @returns from pixels of the aligned face to pixels of the frame; undefined when the points coincide, so that
 *   no face can be meant
 */
export function alignment(points: FivePoints, template: AlignmentTemplate): Affine | undefined {
  const toTemplate = estimateSimilarity(
    points,
    template.map(([x, y]) => ({ x, y })),
  );
  return toTemplate && invertAffine(toTemplate);
}
