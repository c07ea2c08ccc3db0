import { estimateSimilarity, invertAffine } from './affine.js';
import type { FivePoints } from './five-points.js';
import type { Frame } from './frame.js';
import { warp } from './warp.js';

/** Where the five points lie in an aligned face, pixels. */
export type AlignmentTemplate = readonly (readonly [number, number])[];

export interface AlignedFormat {
  readonly width: number;
  readonly height: number;
  readonly template: AlignmentTemplate;
}

/**
 * Warps a face to the template by the similarity that fits its five points best.
 *
 * @returns `width × height × 3` bytes, RGB; undefined when the points coincide, so that no face can be meant
 */
export function alignFace(frame: Frame, points: FivePoints, format: AlignedFormat): Uint8Array | undefined {
  const toTemplate = estimateSimilarity(
    points,
    format.template.map(([x, y]) => ({ x, y })),
  );
  const toFrame = toTemplate && invertAffine(toTemplate);
  return toFrame && warp(frame, toFrame, format.width, format.height);
}
