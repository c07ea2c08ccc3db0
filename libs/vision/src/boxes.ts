import type { Box, Frame, Point } from './frame.js';

/** Something that a detector saw: a box and how sure it is of it, 0 to 1. */
export interface Detection {
  readonly box: Box;
  readonly score: number;
}

/** Area shared by two boxes over the area that either covers, 0 to 1; 0 for empty boxes. */
export function intersectionOverUnion(one: Box, other: Box): number {
  const width = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const height = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (one.width * one.height + other.width * other.height - shared);
}

/**
 * Non-maximum suppression: of detections that overlap by more than `threshold` the surest stays. The result
 * does not depend on the order of the input: ties are broken by the boxes themselves.
 *
 * @param threshold intersection over union, 0 to 1
 * @returns surest first
 */
export function suppressNonMaxima<T extends Detection>(detections: readonly T[], threshold: number): T[] {
  const kept: T[] = [];
  for (const candidate of [...detections].sort(surestFirst)) {
    if (kept.every(({ box }) => intersectionOverUnion(box, candidate.box) <= threshold)) kept.push(candidate);
  }
  return kept;
}

/** A square around the centre of a box. */
export function squareAround(box: Box, side: number): Box {
  return { x: box.x + (box.width - side) / 2, y: box.y + (box.height - side) / 2, width: side, height: side };
}

/** The part of a box that lies in the frame, on whole pixels; undefined when nothing of it does. */
export function clipToFrame(box: Box, frame: Pick<Frame, 'width' | 'height'>): Box | undefined {
  const left = Math.max(0, Math.round(box.x));
  const top = Math.max(0, Math.round(box.y));
  const right = Math.min(frame.width, Math.round(box.x + box.width));
  const bottom = Math.min(frame.height, Math.round(box.y + box.height));
  if (right - left < 1 || bottom - top < 1) return undefined;
  return { x: left, y: top, width: right - left, height: bottom - top };
}

export function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

/** Orders detections by falling score; ties are broken by the boxes themselves. */
export function surestFirst(one: Detection, other: Detection): number {
  return (
    other.score - one.score ||
    one.box.x - other.box.x ||
    one.box.y - other.box.y ||
    one.box.width - other.box.width ||
    one.box.height - other.box.height
  );
}
