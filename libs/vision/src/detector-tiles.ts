import { intersectionOverUnion, surestFirst, type Detection } from './boxes.js';
import { detectorView, type DetectorFormat } from './detector.js';
import type { Box, Frame } from './frame.js';

/** How a wide scene is cut up, so that a detector with a small input sees small faces. */
export interface Tiling {
  /** 1 or more. */
  readonly columns: number;
  /** 1 or more. */
  readonly rows: number;
  /** Part of a tile's width and height that it shares with its neighbour, 0 to 0.9. */
  readonly overlap: number;
}

/** One look of a detector at a frame. */
export interface DetectorLook {
  /** The part of the frame that it is for. */
  readonly region: Box;
  /** What fills the detector's input: {@link detectorView} of that part. */
  readonly view: Box;
}

/**
 * The looks at a frame: at the whole, which finds the faces that no tile holds, and at each tile, row by row.
 *
 * @param tiling without it, or with one tile, the whole alone
 */
export function detectorLooks(
  frame: Pick<Frame, 'width' | 'height'>,
  format: DetectorFormat,
  tiling?: Tiling,
): readonly DetectorLook[] {
  const whole = { x: 0, y: 0, width: frame.width, height: frame.height };
  const looks = [whole, ...tilesOf(frame, tiling)];
  return looks.map((region) => {
    const view = detectorView(region, format);
    return { region, view: { ...view, x: region.x, y: region.y } };
  });
}

function tilesOf({ width, height }: Pick<Frame, 'width' | 'height'>, tiling: Tiling | undefined): readonly Box[] {
  if (!tiling || tiling.columns * tiling.rows === 1) return [];
  const across = cut(width, tiling.columns, tiling.overlap);
  const down = cut(height, tiling.rows, tiling.overlap);
  return down.starts.flatMap((y) => across.starts.map((x) => ({ x, y, width: across.size, height: down.size })));
}

/** `count` stretches of one size over a length, neighbours sharing a part of it. */
function cut(length: number, count: number, overlap: number): { readonly size: number; readonly starts: number[] } {
  const size = length / (count - (count - 1) * overlap);
  return { size, starts: Array.from({ length: count }, (_, index) => index * size * (1 - overlap)) };
}

/** A box this near to a seam, in parts of its own size, is that of a face that the seam cuts. */
const SEAM_MARGIN = 0.05;
/** Of two boxes of which one lies within the other by so much, one is a part of the other's face. */
const CONTAINED = 0.75;

/**
 * Brings the detections of several looks together: of those that show one face, within a look or across seams, the
 * surest stays. A box that reaches a seam of its tile shows a cut face and is left out, since the neighbour or the
 * whole shows that face uncut.
 *
 * @param looks each with its detections, in pixels of the frame
 * @param nmsThreshold intersection over union from which on two boxes are one face's
 * @returns surest first
 */
export function mergeLooks(
  looks: readonly { readonly region: Box; readonly detections: readonly Detection[] }[],
  frame: Pick<Frame, 'width' | 'height'>,
  nmsThreshold: number,
): Detection[] {
  const kept: Detection[] = [];
  const uncut = looks.flatMap(({ region, detections }) => detections.filter(({ box }) => !isCut(box, region, frame)));
  for (const candidate of uncut.sort(surestFirst)) {
    const isNew = kept.every(
      ({ box }) =>
        intersectionOverUnion(box, candidate.box) <= nmsThreshold && sharedPart(box, candidate.box) <= CONTAINED,
    );
    if (isNew) kept.push(candidate);
  }
  return kept;
}

function isCut(box: Box, region: Box, frame: Pick<Frame, 'width' | 'height'>): boolean {
  const aside = SEAM_MARGIN * box.width;
  const along = SEAM_MARGIN * box.height;
  const right = region.x + region.width;
  const bottom = region.y + region.height;
  return (
    (region.x > 0 && box.x < region.x + aside) ||
    (region.y > 0 && box.y < region.y + along) ||
    // Sums of parts of a length are not exact.
    (right < frame.width - 0.5 && box.x + box.width > right - aside) ||
    (bottom < frame.height - 0.5 && box.y + box.height > bottom - along)
  );
}

/** Shared area over the smaller box's, 0 to 1. */
function sharedPart(one: Box, other: Box): number {
  const width = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const height = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / Math.min(one.width * one.height, other.width * other.height);
}
