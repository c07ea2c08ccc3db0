import { expect } from 'vitest';

import type { Candidate, Gallery, GalleryEntry } from '../gallery.js';

/** The gallery that a test is about, as it is now. */
export type Opened = () => Gallery;

/** Of the suite's vectors. */
export const dimension = 64;

/** Equal people, templates and order; scores but for the last digits of float32 arithmetic. */
export function expectSame(found: readonly Candidate[] | undefined, expected: readonly Candidate[]): void {
  expect(found?.map((candidate) => ({ ...candidate, score: 0 }))).toEqual(
    expected.map((candidate) => ({ ...candidate, score: 0 })),
  );
  found?.forEach(({ score }, index) => expect(score).toBeCloseTo(expected[index]?.score ?? NaN, 5));
}

export async function searchOne(
  gallery: Gallery,
  probe: GalleryEntry['template'],
  limit = 10,
): Promise<readonly Candidate[]> {
  const [found] = await gallery.search([probe], { limit });
  return found ?? [];
}
