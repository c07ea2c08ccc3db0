import { openFlatGallery, type Gallery, type GalleryEntry } from '@sightline/gallery';
import { newPersonId, newTemplateId, seededIntegers, type PersonId, type TenantId } from '@sightline/kernel';
import {
  createTemplateProtector,
  createTemplateRekeyer,
  templateKeyId,
  type Template,
  type TemplateKey,
} from '@sightline/template-protection';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DIMENSION, templateOf } from '../testing/fake-release.js';
import { AllKeysGallery } from './all-keys-gallery.js';
import type { LiveTemplateKey } from './template-keys.js';

const live = (epoch: number): LiveTemplateKey => {
  const key: TemplateKey = { tenantId: 'acme' as TenantId, epoch, secret: new Uint8Array(32).fill(epoch) };
  return { ...key, keyId: templateKeyId(key) };
};
const [first, second] = [live(1), live(2)];
const [old, current] = [first, second].map((key) => createTemplateProtector({ ...key, dimension: DIMENSION }));
const forward = createTemplateRekeyer(first, second, DIMENSION);
const back = createTemplateRekeyer(second, first, DIMENSION);
const under = (keyId: string, template: Template): Template =>
  template.keyId === keyId ? template : keyId === second.keyId ? forward.rekey(template) : back.rekey(template);
const keys = {
  siblings: async (keyId: string) => (keyId === first.keyId || keyId === second.keyId ? [second, first] : []),
  under: async (keyId: string, _tenantId: TenantId, template: Template) => under(keyId, template),
};

const below = seededIntegers(11);
const face = (): Float32Array => Float32Array.from({ length: DIMENSION }, () => below(2001) / 1000 - 1);
const attributes = { sites: [], groups: [] };

let divided: AllKeysGallery;
let whole: Gallery;
beforeAll(async () => {
  if (!old || !current) throw new Error('no protector');
  const people: PersonId[] = Array.from({ length: 30 }, newPersonId);
  // Three templates each, some under the one key and some under the other.
  const entries = people.flatMap((personId) =>
    Array.from({ length: 3 }, (): GalleryEntry => {
      const template = templateOf(face(), current, { codec: 'float16' });
      return { templateId: newTemplateId(), personId, template, attributes };
    }),
  );
  whole = await openFlatGallery();
  await whole.upsert(entries);
  const halves = await openFlatGallery();
  divided = new AllKeysGallery(halves, keys);
  await divided.upsert(
    entries.map((entry) => ({ ...entry, template: below(2) === 0 ? entry.template : back.rekey(entry.template) })),
  );
});
afterAll(async () => {
  await divided.close();
  await whole.close();
});

describe('a gallery whose templates are on their way to another key', () => {
  it('answers as one that has them all under one, to probes under either', async () => {
    if (!old || !current) throw new Error('no protector');
    expect((await divided.partitions()).map(({ keyId }) => keyId).sort()).toEqual([first.keyId, second.keyId].sort());
    for (const limit of [2, 4, 100]) {
      const faces = Array.from({ length: 10 }, face);
      const asked = faces.map((one, index) => templateOf(one, index % 2 === 0 ? old : current, { codec: 'float16' }));
      const expected = await whole.search(
        asked.map((probe) => under(second.keyId, probe)),
        { limit },
      );
      const found = await divided.search(asked, { limit });
      expect(found.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
      // In the order of their scores, each person once; two that are as near as the coding tells may change places.
      found.forEach((list, probe) => {
        expect(new Set(list.map(({ personId }) => personId)).size).toBe(list.length);
        list.forEach(({ score }, place) => expect(score).toBeCloseTo(expected[probe]?.[place]?.score ?? NaN, 2));
        expect(list.map(({ score }) => score)).toEqual(list.map(({ score }) => score).sort((x, y) => y - x));
      });
      const best = (lists: typeof found, probe: number) => lists[probe]?.[0]?.templateId;
      const clear = expected.flatMap(([one, other], probe) =>
        one && one.score - (other?.score ?? -1) > 0.01 ? [probe] : [],
      );
      for (const probe of clear) expect(best(found, probe)).toBe(best(expected, probe));
    }
  });

  it('knows nobody under a key that lives no more', async () => {
    const foreign = createTemplateProtector({ ...live(3), dimension: DIMENSION });
    expect(await divided.search([templateOf(face(), foreign)], { limit: 5 })).toEqual([[]]);
  });
});
