import type { Candidate } from '@sightline/gallery';
import type { KeyId, PersonId, Sha256, SpaceId, TemplateId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';
import { beforeEach, describe, expect, it } from 'vitest';

import { RecentSearches } from './recent-searches.js';

let recent: RecentSearches;
let searched: string[][];

/** Finds for each probe somebody of the same name. */
const find = (names: readonly string[], version = 1) =>
  recent.find(names, version, async (places) => {
    searched.push(places.map((place) => names[place] ?? ''));
    return places.map((place) => [somebody(names[place] ?? '')]);
  });
const somebody = (name: string): Candidate => ({
  personId: name as PersonId,
  templateId: `${name}-1` as TemplateId,
  score: 0.9,
});

beforeEach(() => {
  recent = new RecentSearches();
  searched = [];
});

describe('recent searches', () => {
  it('look for each probe once, and answer for all in their order', async () => {
    const first = find(['ada', 'grace', 'ada']);
    expect(await find(['grace', 'alan'])).toEqual([[somebody('grace')], [somebody('alan')]]);
    expect(await first).toEqual([[somebody('ada')], [somebody('grace')], [somebody('ada')]]);
    expect(searched.map((names) => [...names].sort())).toEqual([['ada', 'grace'], ['alan']]);
  });

  it('look again in a gallery that has changed', async () => {
    await find(['ada'], 1);
    await find(['ada'], 2);
    expect(searched).toEqual([['ada'], ['ada']]);
  });

  it('remember no search that failed', async () => {
    const failing = recent.find(['ada'], 1, () => Promise.reject(new Error('the gallery is away')));
    await expect(failing).rejects.toThrow('the gallery is away');
    expect(await find(['ada'])).toEqual([[somebody('ada')]]);
  });

  it('forget the oldest, and answer for what they forget meanwhile', async () => {
    await find(['ada']);
    const many = Array.from({ length: 16_384 }, (_, index) => `p${index}`);
    const found = await find(['ada', ...many]);
    expect(found[0]).toEqual([somebody('ada')]);
    expect(found).toHaveLength(16_385);
    await find(['ada']);
    expect(searched.at(-1)).toEqual(['ada']);
  });

  it('know a probe by its codes, its scale, its key and how it was searched for', () => {
    const probe: Template = {
      ...{
        spaceId: 'space' as SpaceId,
        keyId: 'key' as KeyId,
        variantDigest: 'cd'.repeat(32) as Sha256,
        codec: 'int8',
      },
      ...{ scale: 0.01, dimension: 4, data: Uint8Array.of(1, 2, 3, 4), quality: 0.8 },
    };
    const names = [
      RecentSearches.nameOf(probe, 'null'),
      RecentSearches.nameOf({ ...probe, data: Uint8Array.from(probe.data, (code) => code ^ 1) }, 'null'),
      RecentSearches.nameOf({ ...probe, scale: probe.scale * 2 }, 'null'),
      RecentSearches.nameOf(probe, 'lobby'),
    ];
    expect(new Set(names).size).toBe(4);
    expect(RecentSearches.nameOf({ ...probe }, 'null')).toBe(names[0]);
  });
});
