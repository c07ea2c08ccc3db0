import { applyAffine, composeAffine, mirrorImage, type Affine } from './affine.js';
import type { Box, Point } from './frame.js';

/** Where a landmark model looks first: a square, by the detector's box. */
export interface LandmarkCrop {
  /** Its side, in heights of the box. */
  readonly scale: number;
  /** How far its centre lies below that of the box, in heights of the box. */
  readonly down: number;
}

/** How pixels of a landmark model's input lie in the frame. */
export interface LandmarkView {
  readonly toFrame: Affine;
  /** Whether the model sees the face in a mirror. */
  readonly mirrored: boolean;
}

/** May reach over the edges of the frame. */
export function landmarkCrop({ x, y, width, height }: Box, { scale, down }: LandmarkCrop): Box {
  const side = height * scale;
  return { x: x + (width - side) / 2, y: y + (height - side) / 2 + height * down, width: side, height: side };
}

/** What a model with an input of this width sees in a mirror. */
export function mirrored({ toFrame }: LandmarkView, width: number): LandmarkView {
  return { toFrame: composeAffine(toFrame, mirrorImage(width)), mirrored: true };
}

/**
 * The 68 points that a model found.
 *
 * @param values 136 numbers, x and y in turn, 0 to 1 of the input
 * @param input its size, pixels
 * @returns pixels of the frame; undefined when a value is not finite
 */
export function landmarksOf(
  values: Float32Array,
  { toFrame, mirrored: inMirror }: LandmarkView,
  input: { readonly width: number; readonly height: number },
): Point[] | undefined {
  if (values.length !== 136 || !values.every((value) => Number.isFinite(value))) return undefined;
  return MIRRORED_68.map((inTheMirror, index) => {
    const at = 2 * (inMirror ? inTheMirror : index);
    return applyAffine(toFrame, {
      x: (values[at] ?? 0) * input.width - 0.5, // the edge of a picture lies half a pixel outside its first centre
      y: (values[at + 1] ?? 0) * input.height - 0.5,
    });
  });
}

/** The means of what several views showed. */
export function meanLandmarks(views: readonly (readonly Point[])[]): Point[] {
  const [first = [], ...others] = views;
  return first.map((point, index) => {
    let { x, y } = point;
    for (const other of others) {
      x += other[index]?.x ?? 0;
      y += other[index]?.y ?? 0;
    }
    return { x: x / views.length, y: y / views.length };
  });
}

/** Which of the 68 points of the iBUG 300-W mark-up each becomes in a mirror. */
const MIRRORED_68: readonly number[] = [
  ...[16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], // jaw
  ...[26, 25, 24, 23, 22, 21, 20, 19, 18, 17], // brows
  ...[27, 28, 29, 30, 35, 34, 33, 32, 31], // nose
  ...[45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40], // eyes
  ...[54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55], // outer lip
  ...[64, 63, 62, 61, 60, 67, 66, 65], // inner lip
];
