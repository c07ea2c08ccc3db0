import type { Box, Point } from './frame.js';

/** (x, y) ↦ (a·x + b·y + c, d·x + e·y + f). */
export interface Affine {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
}

export function applyAffine({ a, b, c, d, e, f }: Affine, { x, y }: Point): Point {
  return { x: a * x + b * y + c, y: d * x + e * y + f };
}

/** Turns a picture of this width over, left and right exchanged. */
export function mirrorImage(width: number): Affine {
  return { a: -1, b: 0, c: width - 1, d: 0, e: 1, f: 0 };
}

/** First `inner`, then `outer`. */
export function composeAffine(outer: Affine, inner: Affine): Affine {
  return {
    a: outer.a * inner.a + outer.b * inner.d,
    b: outer.a * inner.b + outer.b * inner.e,
    c: outer.a * inner.c + outer.b * inner.f + outer.c,
    d: outer.d * inner.a + outer.e * inner.d,
    e: outer.d * inner.b + outer.e * inner.e,
    f: outer.d * inner.c + outer.e * inner.f + outer.f,
  };
}

/** The inverse map; undefined when the map is not invertible. */
export function invertAffine({ a, b, c, d, e, f }: Affine): Affine | undefined {
  const determinant = a * e - b * d;
  if (!Number.isFinite(1 / determinant)) return undefined;
  return {
    a: e / determinant,
    b: -b / determinant,
    c: (b * f - c * e) / determinant,
    d: -d / determinant,
    e: a / determinant,
    f: (c * d - a * f) / determinant,
  };
}

/**
 * The similarity (rotation, one scale, translation; no reflection) that maps `from` onto `to` with the least
 * sum of squared distances: Umeyama, "Least-squares estimation of transformation parameters between two
 * point patterns", 1991. In the plane its singular value decomposition has a closed form: with the centred
 * points as complex numbers p and q, rotation and scale are Σ p̄·q / Σ |p|².
 *
 * @returns undefined when all points of `from` coincide, or all of `to`
 */
export function estimateSimilarity(from: readonly Point[], to: readonly Point[]): Affine | undefined {
  const source = centroid(from);
  const target = centroid(to);
  let real = 0;
  let imaginary = 0;
  let spread = 0;
  from.forEach((point, index) => {
    const image = to[index] ?? target;
    const px = point.x - source.x;
    const py = point.y - source.y;
    const qx = image.x - target.x;
    const qy = image.y - target.y;
    real += px * qx + py * qy;
    imaginary += px * qy - py * qx;
    spread += px * px + py * py;
  });
  const cos = real / spread;
  const sin = imaginary / spread;
  if (!(Math.hypot(cos, sin) > 1e-9)) return undefined;
  return {
    a: cos,
    b: -sin,
    c: target.x - cos * source.x + sin * source.y,
    d: sin,
    e: cos,
    f: target.y - sin * source.x - cos * source.y,
  };
}

/**
 * From pixels of an image of `width × height` that shows the whole of `box`, to pixels of the frame. Pixel
 * centres lie at integers, so the edge of a picture lies half a pixel outside its first centre.
 */
export function boxToFrame(box: Box, width: number, height: number): Affine {
  const scaleX = box.width / width;
  const scaleY = box.height / height;
  return { a: scaleX, b: 0, c: box.x + scaleX / 2 - 0.5, d: 0, e: scaleY, f: box.y + scaleY / 2 - 0.5 };
}

function centroid(points: readonly Point[]): Point {
  const sum = points.reduce((total, { x, y }) => ({ x: total.x + x, y: total.y + y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}
