import type { SpaceId } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { CollectionNames } from './collection-plan.js';

describe('the names of collections', () => {
  const names = new CollectionNames('hall');

  it('hold what a path and a file name may hold, and give back the model space', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (spaceId) => {
        const alias = names.alias(spaceId as SpaceId);
        expect(alias).toMatch(/^hall_[A-Za-z0-9_-]*$/);
        expect(names.spaceOf(alias)).toBe(spaceId);
      }),
    );
  });

  it('are never taken for another prefix’s', () => {
    const longer = new CollectionNames('hall-2').collection('s' as SpaceId, 'g');
    expect([names.owns(longer), names.owns(names.collection('s' as SpaceId, 'g'))]).toEqual([false, true]);
  });
});
