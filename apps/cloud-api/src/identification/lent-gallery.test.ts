import type { Gallery } from '@sightline/gallery';
import type { Clock } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { LentGallery } from './lent-gallery.js';

/** A clock that is set by hand. */
function handClock() {
  const at = { monotonicMs: 1000, wallMs: 5_000_000 };
  const clock: Clock = { monotonicMs: () => at.monotonicMs, wallMs: () => at.wallMs, sleep: async () => undefined };
  return { at, clock };
}

/** A gallery without people; `during` runs in the midst of a search. */
function emptyGallery(during: () => void, closed: () => void): Gallery {
  return {
    upsert: async () => undefined,
    remove: async () => undefined,
    search: async (probes) => {
      during();
      return probes.map(() => []);
    },
    partitions: async () => [],
    close: async () => closed(),
  };
}

function opened(during: (at: ReturnType<typeof handClock>['at']) => void = () => undefined) {
  const { at, clock } = handClock();
  const closings: number[] = [];
  let galleries = 0;
  const open = async (): Promise<Gallery> => {
    const number = (galleries += 1);
    return emptyGallery(
      () => during(at),
      () => closings.push(number),
    );
  };
  const gallery = new LentGallery({ open, clock });
  return { at, gallery, closings };
}

const unavailable = { code: 'SERVICE.UNAVAILABLE', retryable: true };
const search = (gallery: Gallery) => gallery.search([], { limit: 1 });

describe('a lent gallery', () => {
  it('answers nothing before it is filled and lent, and after its right is revoked', async () => {
    const { gallery } = opened();
    gallery.lend(100);
    await expect(search(gallery)).rejects.toMatchObject(unavailable);
    expect(await gallery.ready()).toBe(false);
    await gallery.rebuild().complete();
    expect(await search(gallery)).toEqual([]);
    expect(await gallery.ready()).toBe(true);
    gallery.revoke();
    await expect(search(gallery)).rejects.toMatchObject(unavailable);
  });

  it.each(['monotonicMs', 'wallMs'] as const)(
    'answers until the time is up by %s, whatever the other clock says',
    async (clock) => {
      const { at, gallery } = opened();
      await gallery.rebuild().complete();
      gallery.lend(100);
      at[clock] += 99;
      expect(await search(gallery)).toEqual([]);
      at[clock] += 1;
      await expect(search(gallery)).rejects.toMatchObject(unavailable);
    },
  );

  it('does not give out what it found when the process was stopped meanwhile', async () => {
    const { gallery } = opened((at) => (at.monotonicMs += 60_000));
    await gallery.rebuild().complete();
    gallery.lend(100);
    await expect(search(gallery)).rejects.toMatchObject(unavailable);
  });

  it('asks the new gallery when the old one was closed in the midst of a search', async () => {
    let searches = 0;
    const { gallery } = opened(() => {
      searches += 1;
      if (searches > 1) return;
      void gallery.rebuild().complete();
      throw new Error('closed');
    });
    await gallery.rebuild().complete();
    gallery.lend(100);
    expect(await search(gallery)).toEqual([]);
    expect(searches).toBe(2);
  });

  it('closes the gallery that was replaced, and one that was given up', async () => {
    const { gallery, closings } = opened();
    await gallery.rebuild().complete();
    await gallery.rebuild().complete();
    expect(closings).toEqual([1]);
    const given = gallery.rebuild();
    await given.upsert([]);
    await given.abandon();
    await gallery.rebuild().abandon();
    expect(closings).toEqual([1, 3]);
    await gallery.close();
    expect(closings).toEqual([1, 3, 2]);
  });
});
