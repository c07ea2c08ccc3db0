import type { Box, Frame, Point } from '@sightline/vision';

/** Corners of a polygon in parts of the frame's width and height, 0 to 1; the last is joined to the first. */
export type RelativePolygon = readonly Point[];

/**
 * Whether the centre of a face lies in a region (even-odd rule).
 *
 * @param box in pixels of the frame
 */
export function isCentredIn(region: RelativePolygon, box: Box, frame: Pick<Frame, 'width' | 'height'>): boolean {
  const x = (box.x + box.width / 2) / frame.width;
  const y = (box.y + box.height / 2) / frame.height;
  return edgesOf(region).filter(([from, to]) => crosses(from, to, y) && x < crossingAt(from, to, y)).length % 2 === 1;
}

/** Which bytes of a frame of one size lie under the zones: pairs of start and end, end excluded. */
export type MaskSpans = readonly (readonly [start: number, end: number])[];

/**
 * The pixels that polygons reach into, be it with a corner. In the strip of one row of pixels that is the part of
 * the strip's upper border inside of the polygon, and the reach of each edge within the strip: from any other point
 * inside, the way straight up would leave the strip or the polygon through one of them.
 */
export function spansUnder(
  zones: readonly RelativePolygon[],
  { width, height }: Pick<Frame, 'width' | 'height'>,
): MaskSpans {
  return zones.flatMap((zone) => {
    const edges = edgesOf(zone.map(({ x, y }) => ({ x: x * width, y: y * height })));
    return Array.from({ length: height }, (_, row) =>
      [...insideAt(edges, row), ...edges.flatMap((edge) => reachWithin(edge, row))]
        .map(([left, right]) => [Math.max(0, Math.floor(left)), Math.min(width, Math.ceil(right))] as const)
        .filter(([first, last]) => first < last)
        .map(([first, last]) => [(row * width + first) * 3, (row * width + last) * 3] as const),
    ).flat();
  });
}

/** Paints spans black, in place. */
export function blacken({ data }: Frame, spans: MaskSpans): void {
  for (const [start, end] of spans) data.fill(0, start, end);
}

type Edge = readonly [Point, Point];
type Reach = readonly [left: number, right: number];

function edgesOf(polygon: readonly Point[]): readonly Edge[] {
  return polygon.flatMap((to, index) => {
    const from = polygon.at(index - 1);
    return from ? [[from, to] as const] : [];
  });
}

function crosses(from: Point, to: Point, y: number): boolean {
  return from.y > y !== to.y > y;
}

function crossingAt(from: Point, to: Point, y: number): number {
  return from.x + ((y - from.y) / (to.y - from.y)) * (to.x - from.x);
}

/** The parts of a horizontal line that lie inside of a polygon. */
function insideAt(edges: readonly Edge[], y: number): readonly Reach[] {
  const crossings = edges
    .filter(([from, to]) => crosses(from, to, y))
    .map(([from, to]) => crossingAt(from, to, y))
    .sort((a, b) => a - b);
  return crossings.flatMap((left, index) => {
    const right = crossings[index + 1];
    return index % 2 === 0 && right !== undefined ? [[left, right] as const] : [];
  });
}

/** From where to where an edge goes within the strip of a row, its borders not included. */
function reachWithin([from, to]: Edge, row: number): readonly Reach[] {
  const top = Math.max(row, Math.min(from.y, to.y));
  const bottom = Math.min(row + 1, Math.max(from.y, to.y));
  if (from.y === to.y) {
    return from.y > row && from.y < row + 1 ? [[Math.min(from.x, to.x), Math.max(from.x, to.x)]] : [];
  }
  if (top >= bottom) return [];
  const ends = [crossingAt(from, to, top), crossingAt(from, to, bottom)] as const;
  return [[Math.min(...ends), Math.max(...ends)]];
}
