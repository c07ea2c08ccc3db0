import { openFlatGallery, type Gallery, type GalleryFilter } from '@sightline/gallery';
import type { Template } from '@sightline/template-protection';

import { median, significant } from '../statistics.js';
import { Truth } from './brute-force.js';
import { entryOf, probeOf, samplesEach } from './faces.js';
import { msOf, repeat, timesOf, type Times } from './times.js';

const limit = 5;
const batchSize = 32;
const pageSize = 1000;

export interface FlatOptions {
  readonly templates: number;
  /** Single searches that are timed. */
  readonly searches: number;
  readonly batches: number;
  /** Reads as many bytes as the templates' codes have. */
  readonly floor?: (() => unknown) | undefined;
  /** Probes that are compared with a search over everything, half of them of strangers. */
  readonly compared: number;
}

export interface FlatReport extends Times {
  /** Queries a second, in batches of 32. */
  readonly batch32PerSecond: number;
  /** Share of probes whose nearest template is that of a search over everything. */
  readonly recall1: number;
  /** A search over a reading of as many bytes. */
  readonly overFloor?: number;
  readonly floorMs?: number;
  /** With a group that one person in a hundred is in; with a site that all people but a third are let through for. */
  readonly filtered: { readonly group: Times; readonly site: Times };
  readonly fillPerSecond: number;
  readonly bytesPerTemplate: number;
}

export async function measureFlat(options: FlatOptions): Promise<FlatReport> {
  const { templates, searches, batches } = options;
  const residentBefore = process.memoryUsage().rss;
  const gallery = await openFlatGallery();
  try {
    const people = Math.floor(templates / samplesEach);
    const truth = new Truth(
      Array.from({ length: options.compared }, (_, index) =>
        probeOf(index % 2 ? people + index : (index * 7907) % people),
      ),
    );
    const fillMs = await fill(gallery, templates, truth);
    const resident = process.memoryUsage().rss - residentBefore;
    const probes = Array.from({ length: 256 }, (_, index) => probeOf((index * 7919) % people));
    const probe = (index: number): Template => probes[index % probes.length] ?? probeOf(0);
    const search = (filter?: GalleryFilter) => (index: number) =>
      gallery.search([probe(index)], { limit, ...(filter && { filter }) });
    const alone = await repeat(searches, search());
    const few = Math.ceil(searches / 4);
    const group = await repeat(few, search({ groups: ['wanted'] }));
    const site = await repeat(few, search({ site: 'south' }));
    const together = await repeat(batches, (index) =>
      gallery.search(
        Array.from({ length: batchSize }, (_, place) => probe(index * batchSize + place)),
        { limit },
      ),
    );
    return {
      ...timesOf(alone),
      batch32PerSecond: significant((1000 * batchSize) / median(together)),
      recall1: await recall(gallery, truth),
      ...(options.floor && (await overFloor(options.floor, search()))),
      filtered: { group: timesOf(group), site: timesOf(site) },
      fillPerSecond: significant((1000 * templates) / fillMs),
      bytesPerTemplate: significant(resident / templates),
    };
  } finally {
    await gallery.close();
  }
}

/** @returns what it took without the making of the templates, ms */
async function fill(gallery: Gallery, templates: number, truth: Truth): Promise<number> {
  let ms = 0;
  for (let first = 0; first < templates; first += pageSize) {
    const entries = Array.from({ length: Math.min(pageSize, templates - first) }, (_, index) => entryOf(first + index));
    ms += await msOf(() => gallery.upsert(entries));
    for (const entry of entries) truth.see(entry);
  }
  return ms;
}

async function recall(gallery: Gallery, truth: Truth): Promise<number> {
  const answers = truth.answers();
  let right = 0;
  for (const { probe, nearest } of answers) {
    const [found] = await gallery.search([probe], { limit: 1 });
    if (found?.[0]?.templateId === nearest) right += 1;
  }
  return right / answers.length;
}

/** Turns about, so that whatever else the machine does falls on both: the median of the rounds' ratios of medians. */
async function overFloor(
  floor: () => unknown,
  search: (index: number) => unknown,
): Promise<{ readonly overFloor: number; readonly floorMs: number }> {
  const [ratios, floors]: [number[], number[]] = [[], []];
  for (let round = 0; round < 15; round += 1) {
    const read = median(await repeat(12, floor));
    const searched = median(await repeat(12, search));
    ratios.push(searched / read);
    floors.push(read);
  }
  return { overFloor: significant(median(ratios)), floorMs: significant(median(floors)) };
}
