import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Where one person stands in one of the sample photos: the face's box in pixels of the photo. */
interface Appearance {
  /** Number of the photo: demo/sample{photo}.jpg of @vladmandic/face-api (MIT). */
  readonly photo: 1 | 2 | 3 | 4 | 5 | 6;
  /** left, top, right, bottom */
  readonly face: readonly [number, number, number, number];
}

export interface CastMember {
  /** An invented name: the photos name nobody. */
  readonly name: string;
  /** Strangers are left out of the gallery on purpose. */
  readonly role: 'enrolled' | 'stranger';
  /** The photo that is enrolled, and shown. */
  readonly portrait: Appearance;
  /** A second photo of the same person, only shown. */
  readonly second?: Appearance;
}

/**
 * Who plays in the demo. The photos show 21 people in 22 faces; one who is seen in profile alone is not
 * cast. The faces are group photos of few people, so that the demo shows the path and not how well
 * strangers are told apart: `bench:accuracy` is for that.
 */
export const cast: readonly CastMember[] = [
  { name: 'Ada', role: 'enrolled', portrait: { photo: 1, face: [830, 430, 1033, 651] } },
  {
    name: 'Bea',
    role: 'enrolled',
    portrait: { photo: 3, face: [1075, 196, 1298, 502] },
    second: { photo: 1, face: [1463, 215, 1680, 429] },
  },
  { name: 'Cleo', role: 'enrolled', portrait: { photo: 2, face: [892, 230, 1056, 453] } },
  { name: 'Dora', role: 'enrolled', portrait: { photo: 2, face: [1438, 162, 1642, 392] } },
  { name: 'Edda', role: 'enrolled', portrait: { photo: 3, face: [1504, 303, 1685, 562] } },
  { name: 'Fay', role: 'enrolled', portrait: { photo: 4, face: [264, 195, 423, 448] } },
  { name: 'Gwen', role: 'enrolled', portrait: { photo: 4, face: [661, 64, 849, 314] } },
  { name: 'Hana', role: 'enrolled', portrait: { photo: 5, face: [372, 887, 552, 1164] } },
  { name: 'Ines', role: 'enrolled', portrait: { photo: 5, face: [601, 419, 774, 673] } },
  { name: 'June', role: 'enrolled', portrait: { photo: 5, face: [794, 117, 953, 326] } },
  { name: 'Kaia', role: 'enrolled', portrait: { photo: 6, face: [252, 484, 467, 761] } },
  { name: 'Lena', role: 'enrolled', portrait: { photo: 6, face: [677, 327, 848, 632] } },
  { name: 'Mona', role: 'enrolled', portrait: { photo: 6, face: [1173, 310, 1362, 581] } },
  { name: 'Stranger 1', role: 'stranger', portrait: { photo: 1, face: [417, 358, 600, 595] } },
  { name: 'Stranger 2', role: 'stranger', portrait: { photo: 3, face: [589, 330, 791, 609] } },
  { name: 'Stranger 3', role: 'stranger', portrait: { photo: 4, face: [1265, 159, 1421, 389] } },
  { name: 'Stranger 4', role: 'stranger', portrait: { photo: 5, face: [1117, 212, 1276, 429] } },
  { name: 'Stranger 5', role: 'stranger', portrait: { photo: 5, face: [1413, 382, 1592, 659] } },
  { name: 'Stranger 6', role: 'stranger', portrait: { photo: 6, face: [1481, 260, 1700, 555] } },
  { name: 'Stranger 7', role: 'stranger', portrait: { photo: 4, face: [989, 177, 1165, 429] } },
];

/** Path of a sample photo in the installed package. */
export function photoPath(photo: Appearance['photo']): string {
  const packageFile = createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json');
  return join(dirname(packageFile), 'demo', `sample${photo}.jpg`);
}

/** A head and shoulders crop around the face that holds nobody else, in pixels of the photo. */
export function portraitCrop({ face: [left, top, right, bottom] }: Appearance): {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
} {
  const height = bottom - top;
  const sides = Math.round(0.4 * height);
  const x = Math.max(0, left - sides);
  const y = Math.max(0, top - Math.round(0.5 * height));
  return { left: x, top: y, width: right + sides - x, height: Math.round(bottom + 0.6 * height) - y };
}
