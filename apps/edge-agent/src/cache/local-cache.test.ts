import { create } from '@bufbuild/protobuf';
import { IdentificationOutcome, IdentificationSchema, type GalleryReceipt } from '@sightline/contracts';
import type { KeyId, SpaceId } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { CacheBox, THRESHOLD } from '../testing/cache-box.js';
import { belonging, cachedPerson, faceTemplate, personId } from '../testing/cache-fixtures.js';

const DAY_MS = 86_400_000;
let box: CacheBox;

beforeEach(async () => {
  box = await CacheBox.open();
});
afterEach(() => box.close());

const lease = (days = 7) => ({
  issuedAtMs: BigInt(Math.floor(box.nowMs)),
  expiresAtMs: BigInt(Math.floor(box.nowMs + days * DAY_MS)),
});

type Body = Parameters<CacheBox['signer']['delta']>[0];

/** The cloud tells the box something of its cache. */
function tell(body: Body): GalleryReceipt {
  return box.cache.take(box.signer.delta({ cacheId: 'one', ...body }));
}

/** Ada (1) and Grace (2), at version 1. */
function fill(): GalleryReceipt {
  const people = [cachedPerson(1, { shots: [1, 2], groups: ['staff'] }), cachedPerson(2)];
  return tell({ fromVersion: 0n, toVersion: 1n, people, lease: lease() });
}

describe('a box with a local cache', () => {
  it('names whom it knows, and nobody else, and says what it holds', () => {
    expect(box.see(1)).toBeUndefined();
    expect(fill()).toMatchObject({ correlationId: 'c', cacheId: 'one', version: 1n, erasureIds: [], error: '' });
    const [ada, stranger] = [box.see(1), box.see(3)];
    expect(ada).toMatchObject({ personId: personId(1), outcome: IdentificationOutcome.IDENTIFIED });
    expect(ada).toMatchObject({ threshold: THRESHOLD, falseMatchRate: 1e-4, cacheId: 'one', cacheVersion: 1n });
    expect(ada?.score).toBeGreaterThan(0.9);
    expect(stranger).toMatchObject({ personId: '', outcome: IdentificationOutcome.UNKNOWN });
    expect(stranger?.score).toBeLessThan(THRESHOLD);
    expect(box.cache.groupsOf(personId(1))).toEqual(['staff']);
    expect(box.cache.status).toMatchObject({ state: 'ready', people: 2, templates: 3, deltas: { applied: 1 } });
    expect(box.cache.status.matches).toMatchObject({ identified: 1, unknown: 1 });
  });

  it('asks for more likeness the more templates it holds', () => {
    const shots = Array.from({ length: 200 }, (_, shot) => shot);
    tell({ fromVersion: 0n, toVersion: 1n, people: [cachedPerson(1, { shots })], lease: lease() });
    const bar = box.see(1);
    expect(bar?.threshold).toBeGreaterThan(THRESHOLD + 0.01);
    // 1 - 0.99 ** (1 / 200)
    expect(bar?.falseMatchRate).toBeCloseTo(5.025e-5, 8);
  });

  it('leaves it to the cloud where two people cannot be told apart', () => {
    fill();
    const [ada] = [cachedPerson(1, { shots: [1, 2] })];
    tell({ fromVersion: 1n, toVersion: 2n, people: [{ ...ada, personId: personId(9) }] });
    expect(box.see(1)).toBeUndefined();
    expect(box.see(2)).toMatchObject({ personId: personId(2) });
  });

  it('knows them after a restart, without a word of the cloud', async () => {
    fill();
    const before = box.see(2);
    await box.restart();
    expect(box.see(2)).toEqual(before);
    expect(box.cache.groupsOf(personId(1))).toEqual(['staff']);
    expect(box.cache.holding).toEqual({ cacheId: 'one', version: 1, maximumTemplates: 20_000 });
  });

  it('decides nothing without templates, a release, or a threshold of it, or by templates of another space', () => {
    fill();
    expect(box.cache.decide({ sightingId: 's', revision: 1, templates: [] })).toBeUndefined();
    const elsewhere = { ...belonging, spaceId: 'other' as SpaceId };
    const foreign = { sightingId: 's', revision: 1, templates: [faceTemplate(1, 1, elsewhere)] };
    expect(box.cache.decide(foreign)).toBeUndefined();
    expect(box.cache.status.matches.foreign).toBe(1);
    const { release } = box;
    box.release = undefined;
    expect(box.see(1)).toBeUndefined();
    box.release = release && { ...release, calibration: release.calibration.slice(1) };
    expect([box.see(1), box.see(1)]).toEqual([undefined, undefined]);
    expect(box.log.codes).toEqual(['CALIBRATION.INVALID']);
  });
});

describe('a delta', () => {
  it('replaces people whole and drops whom the site needs no more', () => {
    fill();
    const people = [cachedPerson(1, { shots: [5], groups: [] })];
    const tombstones = [{ personId: personId(2) }];
    expect(tell({ fromVersion: 1n, toVersion: 4n, people, tombstones })).toMatchObject({ version: 4n, error: '' });
    expect(box.cache.groupsOf(personId(1))).toEqual([]);
    expect(box.cache.status).toMatchObject({ people: 1, templates: 1 });
    expect(box.see(2)?.outcome).toBe(IdentificationOutcome.UNKNOWN);
    // Not erased: they may come back.
    tell({ fromVersion: 4n, toVersion: 5n, people: [cachedPerson(2)] });
    expect(box.see(2)?.outcome).toBe(IdentificationOutcome.IDENTIFIED);
  });

  it('is refused when one bit of it was changed, when others signed it, and when it is another box’s', () => {
    const delta = box.signer.delta({ cacheId: 'one', toVersion: 1n, people: [cachedPerson(1)], lease: lease() });
    const flipped = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
    const refused: GalleryReceipt[] = [];
    for (let at = 0; at < delta.body.length; at += 7) {
      refused.push(box.cache.take({ ...delta, body: flipped(delta.body, at) }));
    }
    refused.push(box.cache.take({ ...delta, signature: flipped(delta.signature, 3) }));
    refused.push(box.cache.take({ ...delta, signature: new Uint8Array(0) }));
    refused.push(box.cache.take({ ...delta, signingKeyId: 'another' }));
    expect(new Set(refused.map(({ error }) => error))).toEqual(new Set(['CACHE.BAD_SIGNATURE']));
    for (const whose of [{ deviceId: 'door-2' }, { tenantId: 'other' }]) {
      expect(tell({ toVersion: 1n, ...whose })).toMatchObject({
        cacheId: '',
        version: 0n,
        error: 'CACHE.FOREIGN_DEVICE',
      });
    }
    expect(box.cache.take(box.signer.sign(Uint8Array.of(0xff)))).toMatchObject({ error: 'CACHE.INVALID' });
    expect(box.cache.status).toMatchObject({
      state: 'empty',
      deltas: { applied: 0, refused: { 'CACHE.FOREIGN_DEVICE': 2 } },
    });
  });

  it('is refused with templates of another model space or key, malformed ones, or too many', async () => {
    fill();
    const put = (person: ReturnType<typeof cachedPerson>) => tell({ fromVersion: 1n, toVersion: 2n, people: [person] });
    const errorOf = (person: ReturnType<typeof cachedPerson>) => put(person).error;
    expect(errorOf(cachedPerson(4, { where: { ...belonging, spaceId: 'x' as SpaceId } }))).toBe('CACHE.FOREIGN_SPACE');
    expect(errorOf(cachedPerson(4, { where: { ...belonging, dimension: 16 } }))).toBe('CACHE.FOREIGN_SPACE');
    expect(errorOf(cachedPerson(4, { where: { ...belonging, keyId: 'x' as KeyId } }))).toBe('CACHE.FOREIGN_KEY');
    const good = cachedPerson(4);
    const [template] = good.templates;
    expect(errorOf({ ...good, templates: [{ ...template!, data: new Uint8Array(3) }] })).toBe('CACHE.INVALID');
    expect(errorOf({ ...good, templates: [{ ...template!, scale: Number.NaN }] })).toBe('CACHE.INVALID');
    expect(errorOf({ ...good, personId: 'ada' })).toBe('CACHE.INVALID');
    await box.restart({ maximumTemplates: 4 });
    expect(put(cachedPerson(4, { shots: [1, 2] }))).toMatchObject({ version: 1n, error: 'CACHE.FULL' });
    // Five would be one too many, but two of them go.
    expect(put(cachedPerson(1, { shots: [1, 2, 3] }))).toMatchObject({ version: 2n, error: '' });
    expect(box.cache.status.templates).toBe(4);
  });

  it('of another cache begins it anew, and late messages of the one before change nothing', () => {
    fill();
    const late = box.signer.delta({ cacheId: 'one', fromVersion: 1n, toVersion: 2n, people: [cachedPerson(3)] });
    const begun = tell({ cacheId: 'two', toVersion: 1n, people: [cachedPerson(4)], lease: lease() });
    expect(begun).toMatchObject({ cacheId: 'two', version: 1n, error: '' });
    expect(box.cache.take(late)).toMatchObject({ cacheId: 'two', version: 1n, error: '' });
    expect(box.cache.status).toMatchObject({ cacheId: 'two', people: 1 });
    expect(tell({ cacheId: 'two', fromVersion: 7n, toVersion: 8n }).error).toBe('CACHE.GAP');
  });

  it('is taken before a release runs, when its key is the box’s', () => {
    box.release = undefined;
    const foreign = cachedPerson(4, { where: { ...belonging, keyId: 'x' as KeyId } });
    expect(tell({ toVersion: 1n, people: [foreign] }).error).toBe('CACHE.FOREIGN_KEY');
    expect(fill().error).toBe('');
  });
});

describe('a lease', () => {
  it('runs out offline, is renewed by an empty delta, and ends early when the cloud says so', async () => {
    fill();
    await box.clock.advance(7 * DAY_MS - 1);
    expect(box.see(1)).toBeDefined();
    await box.clock.advance(1);
    expect(box.see(1)).toBeUndefined();
    expect(box.cache.status).toMatchObject({ state: 'expired', people: 2, matches: { withoutLease: 1 } });
    expect(tell({ fromVersion: 1n, toVersion: 1n, lease: lease(1) }).error).toBe('');
    expect(box.see(1)).toBeDefined();
    await box.clock.advance(1);
    tell({ fromVersion: 1n, toVersion: 1n, lease: lease(0) });
    expect(box.see(1)).toBeUndefined();
  });

  it('lasts no longer on a clock that is set back a day, again and again', async () => {
    fill();
    for (let day = 0; day < 7; day += 1) {
      expect(box.see(1)).toBeDefined();
      await box.clock.advance(DAY_MS);
      box.clock.jumpWall(-DAY_MS);
    }
    expect(box.see(1)).toBeUndefined();
  });

  it('does not come back in 1970, over restarts without a connection', async () => {
    fill();
    await box.clock.advance(6 * DAY_MS);
    expect(box.see(1)).toBeDefined();
    box.clock.jumpWall(-box.nowMs);
    await box.restart();
    expect(box.nowMs).toBe(0);
    expect(box.see(1)).toBeDefined();
    await box.clock.advance(DAY_MS);
    expect(box.see(1)).toBeUndefined();
    box.clock.jumpWall(-box.nowMs);
    await box.restart();
    expect(box.see(1)).toBeUndefined();
  });

  it('is missed while a clock is a day ahead, and holds again when that is set right', async () => {
    fill();
    await box.clock.advance(6.5 * DAY_MS);
    box.clock.jumpWall(DAY_MS);
    expect(box.see(1)).toBeUndefined();
    box.clock.jumpWall(-DAY_MS);
    expect(box.see(1)).toBeDefined();
  });

  it('is none that was replayed', async () => {
    fill();
    const old = box.signer.delta({ cacheId: 'one', fromVersion: 1n, toVersion: 1n, lease: lease(30) });
    await box.clock.advance(1);
    tell({ fromVersion: 1n, toVersion: 1n, lease: lease(1) });
    box.cache.take(old);
    await box.clock.advance(2 * DAY_MS);
    expect(box.see(1)).toBeUndefined();
  });
});

describe('the cloud’s answer', () => {
  const answer = (revision: number, outcome: IdentificationOutcome, person = '', localDiffered = false) =>
    box.cache.answered(
      create(IdentificationSchema, { sightingId: 'sighting', revision, outcome, personId: person, localDiffered }),
    );

  it('wins over the box’s, and what differs is counted and marked, also over a restart', async () => {
    fill();
    const { IDENTIFIED, UNKNOWN, REFUSED } = IdentificationOutcome;
    for (let revision = 1; revision <= 5; revision += 1) box.see(1, revision);
    answer(1, IDENTIFIED, personId(1));
    answer(2, IDENTIFIED, personId(2));
    answer(3, UNKNOWN);
    answer(4, REFUSED);
    expect(box.cache.status).toMatchObject({
      matches: { agreed: 1, contradicted: 2, missed: 0 },
      oftenContradicted: 0,
    });
    await box.restart();
    box.see(1, 6);
    answer(6, IDENTIFIED, personId(9));
    expect(box.cache.status.oftenContradicted).toBe(1);
    expect(box.log.codes).toEqual(['CACHE.CONTRADICTED', 'CACHE.CONTRADICTED', 'CACHE.CONTRADICTED']);
    // New templates, new luck.
    tell({ fromVersion: 1n, toVersion: 2n, people: [cachedPerson(1, { shots: [9] })] });
    expect(box.cache.status.oftenContradicted).toBe(0);
  });

  it('tells a miss from somebody whom the box cannot know, and counts what an earlier boot had decided', () => {
    fill();
    const { IDENTIFIED, UNKNOWN } = IdentificationOutcome;
    for (let revision = 1; revision <= 3; revision += 1) box.see(3, revision);
    answer(1, IDENTIFIED, personId(2));
    answer(2, IDENTIFIED, personId(3));
    answer(3, UNKNOWN);
    // Twice: the second says nothing new.
    answer(1, IDENTIFIED, personId(2));
    expect(box.cache.status.matches).toMatchObject({ agreed: 1, contradicted: 0, missed: 1 });
    answer(77, UNKNOWN, '', true);
    expect(box.cache.status.matches.contradicted).toBe(1);
  });
});
