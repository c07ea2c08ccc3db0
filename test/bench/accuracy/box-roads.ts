import { intersectionOverUnion, squareAround, type Box, type Detection } from '@sightline/vision';

/** What is tried to make a detector's boxes better; the product does neither. */
export interface BoxRoad {
  /** Each box becomes the mean of those that it suppresses and itself, weighted by this power of their scores. */
  readonly fusedByScore?: number;
  /** The detector looks again at a square around each box, this many times its longer side. */
  readonly secondPass?: number;
}

/** Boxes that overlap less show another face. */
const SAME_FACE = 0.3;

/**
 * Weighted box fusion (Solovyev et al., 2021) in the place of non-maximum suppression: the same detections, with the
 * scores of the surest, but none of their boxes is a single candidate's.
 *
 * @param candidates surest first
 * @param threshold intersection over union from which on candidates are one
 * @param power of the scores: 0 for a plain mean
 */
export function fuseBoxes(candidates: readonly Detection[], threshold: number, power: number): Detection[] {
  const clusters: [Detection, ...Detection[]][] = [];
  for (const candidate of candidates) {
    const own = clusters.find(([surest]) => intersectionOverUnion(surest.box, candidate.box) > threshold);
    if (own) own.push(candidate);
    else clusters.push([candidate]);
  }
  return clusters.map((cluster) => ({ score: cluster[0].score, box: weightedMean(cluster, power) }));
}

function weightedMean(detections: readonly Detection[], power: number): Box {
  const total = detections.reduce((sum, { score }) => sum + score ** power, 0);
  const mean = (of: (box: Box) => number): number =>
    detections.reduce((sum, { box, score }) => sum + of(box) * (score ** power / total), 0);
  return {
    x: mean(({ x }) => x),
    y: mean(({ y }) => y),
    width: mean(({ width }) => width),
    height: mean(({ height }) => height),
  };
}

/** What a second pass sees. May reach over the edges of the frame. */
export function enlarged(box: Box, times: number): Box {
  return squareAround(box, times * Math.max(box.width, box.height));
}

/** The surest of the second pass that shows the same face; the first where none does. @param second surest first */
export function secondLookAt(first: Detection, second: readonly Detection[]): Detection {
  return second.find(({ box }) => intersectionOverUnion(box, first.box) > SAME_FACE) ?? first;
}
