/** A value at a time. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Slope of the line with the least sum of squared errors; 0 for fewer than two points. */
export function slopeOf(points: readonly Point[]): number {
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / Math.max(1, points.length);
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  const covariance = mean((point) => (point.x - x) * (point.y - y));
  const variance = mean((point) => (point.x - x) ** 2);
  return variance === 0 ? 0 : covariance / variance;
}
