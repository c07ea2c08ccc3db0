import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newTemplateId } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { galleryConformance } from '../conformance.js';
import { bruteForce } from '../conformance/brute-force.js';
import {
  crowd,
  entry,
  near,
  personId,
  randomVector,
  seededRandom,
  template,
  templateId,
} from '../conformance/samples.js';
import { FlatGallery, openFlatGallery } from './flat-gallery.js';
import { largestShareOf, shareOf } from './shares.js';

galleryConformance(() => openFlatGallery());

describe('a flat gallery whose worker dies', () => {
  const dimension = 32;
  const random = seededRandom(21);
  const { faces, entries } = crowd(random, { people: 40, templatesEach: 2, dimension, spread: 0.4 });
  let directory: string;
  let gallery: FlatGallery;

  /** Lets the worker die at the start of its next call, whichever that is. */
  const loseWorker = (): Promise<void> => writeFile(join(directory, 'die'), '');

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sightline-gallery-'));
    const built = new URL('../../dist/flat/', import.meta.url);
    // The real worker, but for the death.
    const module = `
      import { rmSync } from 'node:fs';
      import { serveWorker } from ${JSON.stringify(import.meta.resolve('@sightline/onnx-runtime'))};
      import { PartitionIndex } from ${JSON.stringify(new URL('partition-index.js', built).href)};
      const orDie = (work) => (request) => {
        let die = true;
        try { rmSync(${JSON.stringify(join(directory, 'die'))}); } catch { die = false; }
        if (die) process.exit(1);
        return work(request);
      };
      serveWorker(async () => {
        const index = await PartitionIndex.open();
        return { apply: orDie((change) => index.apply(change)), search: orDie((probes) => index.search(probes)) };
      });`;
    gallery = new FlatGallery({}, new URL(`data:text/javascript,${encodeURIComponent(module)}`));
    await gallery.start();
    await gallery.upsert(entries);
  });
  afterEach(async () => {
    await gallery.close();
    await rm(directory, { recursive: true });
  });

  const probes = faces.slice(0, 5).map((face) => template(near(random, face, 0.4)));
  const expectExact = async (held: typeof entries): Promise<void> => {
    expect(await gallery.search(probes, { limit: 4 })).toEqual(probes.map((probe) => bruteForce(held, probe, 4)));
  };

  it('answers the search that it died in, from the same content', async () => {
    await loseWorker();
    await expectExact(entries);
  });

  it('loses no change, whichever of several that are under way it died in', async () => {
    await loseWorker();
    const stored = template(faces[0] ?? new Float32Array());
    const moved = template(faces[1] ?? new Float32Array());
    await Promise.all([
      gallery.upsert([entry(0, 77, stored)]),
      gallery.remove([templateId(1), templateId(0)]),
      gallery.upsert([entry(0, 78, moved), entry(2, 1, stored)]),
      gallery.remove([templateId(3)]),
    ]);
    const held = [entry(0, 78, moved), entry(2, 1, stored), ...entries.slice(4)];
    await expectExact(held);
    await loseWorker();
    await expectExact(held);
    expect(await gallery.partitions()).toMatchObject([{ templates: held.length }]);
  });

  it('does not bring back what was removed', async () => {
    await gallery.remove(entries.map((enrolled) => enrolled.templateId));
    await loseWorker();
    await gallery.upsert([entry(500, 500, probes[0] ?? template(new Float32Array(dimension).fill(1)))]);
    const found = await gallery.search(probes, { limit: 10 });
    for (const candidates of found) expect(candidates).toMatchObject([{ personId: personId(500) }]);
  });
});

describe('a flat gallery in two threads', () => {
  it('is whole to each search, before a change of many templates or after it', async () => {
    const random = seededRandom(22);
    const { entries } = crowd(random, { people: 30, templatesEach: 2, dimension: 32, spread: 0.4 });
    const probe = template(randomVector(random, 32));
    const gallery = await openFlatGallery();
    await gallery.upsert(entries);
    const moved = entries.map(({ templateId: id, ...held }) => ({ ...held, templateId: id, personId: personId(99) }));
    const rounds = Array.from({ length: 30 }, async (_, round) => {
      await gallery.upsert(round % 2 ? entries : moved);
      const [found] = await gallery.search([probe], { limit: 100 });
      expect([1, 30]).toContain(found?.length);
    });
    await Promise.all(rounds);
    await gallery.close();
  });

  it('shares templates evenly, by their ids alone', () => {
    const first = Array.from({ length: 10_000 }, newTemplateId).filter((id) => shareOf(id) === 0).length;
    expect(first).toBeLessThanOrEqual(largestShareOf(10_000));
    expect(10_000 - first).toBeLessThanOrEqual(largestShareOf(10_000));
    expect(largestShareOf(3)).toBe(3);
  });
});

describe('a closed flat gallery', () => {
  it('refuses to search, and closes twice', async () => {
    const gallery = await openFlatGallery();
    const stored = template(new Float32Array(4).fill(1));
    await gallery.upsert([entry(1, 1, stored)]);
    await gallery.close();
    await gallery.close();
    await expect(gallery.search([stored], { limit: 1 })).rejects.toMatchObject({ code: 'WORKER.CLOSED' });
  });
});
