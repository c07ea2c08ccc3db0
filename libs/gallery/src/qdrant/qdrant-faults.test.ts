import { randomUUID } from 'node:crypto';

import { systemClock } from '@sightline/kernel';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';

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
import { openQdrantGallery, type QdrantGalleryOptions } from './qdrant-gallery.js';
import { startStandInQdrant, type Fault } from '../testing/stand-in-qdrant.js';

const dimension = 16;
const random = seededRandom(31);
const stored = template(randomVector(random, dimension));
const standIn = await startStandInQdrant();
afterAll(() => standIn.close());

let prefix: string;
const open = (options: Partial<QdrantGalleryOptions> = {}) =>
  openQdrantGallery({ url: standIn.url, prefix, searchMs: 2000, changeMs: 2000, ...options });

beforeEach(() => {
  prefix = `p-${randomUUID()}`;
  standIn.faults = () => undefined;
});

/** Lets the next requests of a path fail, one fault each. */
function failing(path: RegExp, ...faults: readonly Fault[]): void {
  const left = [...faults];
  standIn.faults = (request) => (path.test(request.path) ? left.shift() : undefined);
}

const unavailable = { code: 'SERVICE.UNAVAILABLE', retryable: true };

describe('a gallery in Qdrant', () => {
  it('is there for another process, and after a restart', async () => {
    const { entries } = crowd(random, { people: 20, templatesEach: 2, dimension, spread: 0.5 });
    const [writer, reader] = [open(), open()];
    expect(await reader.search([stored], { limit: 3 })).toEqual([[]]);
    await writer.upsert(entries);
    const probe = template(near(random, randomVector(random, dimension), 0.5));
    expect(await reader.search([probe], { limit: 3 })).toEqual([bruteForce(entries, probe, 3)]);
    await writer.close();
    const next = open();
    await next.remove([templateId(0)]);
    expect(await reader.search([probe], { limit: 50 })).toEqual([bruteForce(entries.slice(1), probe, 50)]);
    expect(await next.partitions()).toEqual(await reader.partitions());
  });

  it('finds the same whatever the last digits of Qdrant’s float32 arithmetic are', async () => {
    const face = randomVector(random, dimension);
    const entries = Array.from({ length: 60 }, (_, number) =>
      entry(number, number, template(near(random, face, 1e-4), { codec: 'float16' })),
    );
    const gallery = open();
    await gallery.upsert(entries);
    standIn.disturb = (score) => score + (random() - 0.5) * 2e-6;
    const probe = template(face, { codec: 'float16' });
    expect(await gallery.search([probe], { limit: 5 })).toEqual([bruteForce(entries, probe, 5)]);
    standIn.disturb = (score) => score;
  });

  it('scores exactly whom an approximate search returns', async () => {
    const { entries, faces } = crowd(random, { people: 20, templatesEach: 2, dimension, spread: 0.5 });
    const gallery = open({ search: 'approximate' });
    await gallery.upsert(entries);
    const probe = template(faces[3] ?? new Float32Array());
    expect(await gallery.search([probe], { limit: 3 })).toEqual([bruteForce(entries, probe, 3)]);
  });

  it('takes the place of another in one step, with searches going on', async () => {
    const gallery = open();
    await gallery.upsert([entry(1, 1, stored)]);
    const next = gallery.rebuild();
    await next.upsert([entry(2, 2, stored), entry(3, 3, stored)]);
    await next.remove([templateId(3)]);
    expect(await gallery.search([stored], { limit: 5 })).toMatchObject([[{ personId: personId(1) }]]);
    await next.complete();
    expect(await gallery.search([stored], { limit: 5 })).toMatchObject([[{ personId: personId(2) }]]);
    expect(standIn.collections().filter((name) => name.startsWith(prefix))).toHaveLength(1);
  });

  it('leaves nothing of a rebuild that is abandoned or was interrupted', async () => {
    const gallery = open();
    await gallery.upsert([entry(1, 1, stored)]);
    const abandoned = gallery.rebuild();
    await abandoned.upsert([entry(2, 2, stored)]);
    await abandoned.abandon();
    await gallery.rebuild().upsert([entry(3, 3, stored)]);
    const mine = () => standIn.collections().filter((name) => name.startsWith(prefix));
    expect(mine()).toHaveLength(2);
    await gallery.prune();
    expect(mine()).toHaveLength(1);
    expect(await gallery.search([stored], { limit: 5 })).toMatchObject([[{ personId: personId(1) }]]);
  });

  it('makes its collection anew when Qdrant has lost it', async () => {
    const gallery = open();
    await gallery.upsert([entry(1, 1, stored)]);
    standIn.wipe();
    expect(await gallery.search([stored], { limit: 5 })).toEqual([[]]);
    await gallery.upsert([entry(2, 2, stored)]);
    expect(await gallery.search([stored], { limit: 5 })).toMatchObject([[{ personId: personId(2) }]]);
  });

  it('refuses a prefix that could be taken for another’s', () => {
    expect(() => open({ prefix: 'a_b' })).toThrow(expect.objectContaining({ code: 'CONFIG.INVALID' }) as Error);
  });
});

describe('a gallery whose Qdrant is in trouble', () => {
  const trouble: readonly (readonly [string, Fault])[] = [
    ['an overload', { kind: 'status', status: 503 }],
    ['a rate limit', { kind: 'status', status: 429, retryAfterSeconds: 1 }],
    ['a connection that breaks before the work', { kind: 'cut', applied: false }],
    ['a connection that breaks after it', { kind: 'cut', applied: true }],
  ];

  it.each(trouble)('gets over %s, once', async (_, fault) => {
    // A pause that is asked for is not slept through here.
    const gallery = open({ clock: { ...systemClock, sleep: async () => undefined } });
    await gallery.upsert([entry(1, 1, stored)]);
    failing(/points/, fault);
    await gallery.upsert([entry(2, 2, stored)]);
    failing(/query/, fault);
    expect(await gallery.search([stored], { limit: 5 })).toMatchObject([[{ personId: personId(1) }, {}]]);
    failing(/query/, fault, fault);
    await expect(gallery.search([stored], { limit: 5 })).rejects.toMatchObject(unavailable);
  });

  it('does not ask again when Qdrant wants a longer pause, or refuses', async () => {
    const gallery = open();
    await gallery.upsert([entry(1, 1, stored)]);
    const before = standIn.requests.length;
    failing(/query/, { kind: 'status', status: 429, retryAfterSeconds: 30 });
    await expect(gallery.search([stored], { limit: 5 })).rejects.toMatchObject(unavailable);
    failing(/query/, { kind: 'status', status: 403 });
    await expect(gallery.search([stored], { limit: 5 })).rejects.toMatchObject({
      ...unavailable,
      details: { status: 403 },
    });
    expect(standIn.requests.length - before).toBe(2);
  });

  it('keeps its deadline, and takes no change for done that Qdrant did not complete', async () => {
    const gallery = open({ searchMs: 40, changeMs: 40, clock: { ...systemClock, sleep: async () => undefined } });
    const patient = open();
    await patient.upsert([entry(1, 1, stored)]);
    const slow: Fault = { kind: 'slow', ms: 400 };
    failing(/query/, slow, slow);
    await expect(gallery.search([stored], { limit: 5 })).rejects.toMatchObject(unavailable);
    failing(/points/, { kind: 'wait-timeout' });
    await expect(patient.upsert([entry(2, 2, stored)])).rejects.toMatchObject(unavailable);
    failing(/points\/delete/, { kind: 'wait-timeout' });
    await expect(patient.remove([templateId(1)])).rejects.toMatchObject(unavailable);
  });

  it('says nothing of the request in its error', async () => {
    const gallery = open();
    await gallery.upsert([entry(1, 1, stored)]);
    failing(/query/, { kind: 'status', status: 400 });
    const error: unknown = await gallery.search([stored], { limit: 5 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ details: { operation: 'query', status: 400 } });
    expect((error as Error).cause).toBeUndefined();
  });

  it('leaves a search to nobody once it is aborted', async () => {
    const gallery = open();
    await gallery.upsert([entry(1, 1, stored)]);
    failing(/query/, { kind: 'slow', ms: 300 });
    const controller = new AbortController();
    const search = gallery.search([stored], { limit: 5, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('nobody waits any more')), 20);
    await expect(search).rejects.toThrow('nobody waits any more');
  });

  it.each([
    ['1.12.6', false],
    ['1.13.0', true],
    ['2.0.0', true],
    ['dev', false],
  ])('of version %s is ready: %s', async (version, ready) => {
    const server = await startStandInQdrant({ version });
    expect(await open({ url: server.url }).ready()).toBe(ready);
    await server.close();
  });

  it('is not ready without its server, and shows its key to it alone', async () => {
    const locked = await startStandInQdrant({ apiKey: 'the right key' });
    const gallery = open({ url: locked.url, apiKey: 'the right key' });
    expect(await gallery.ready()).toBe(true);
    expect(await open({ url: locked.url, apiKey: 'another' }).ready()).toBe(false);
    await locked.close();
    expect(await gallery.ready()).toBe(false);
  });
});
