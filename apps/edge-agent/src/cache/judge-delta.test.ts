import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { GalleryDeltaBodySchema } from '@sightline/contracts';
import { describe, expect, it } from 'vitest';

import { emptyHead, type CacheHead } from './cache-head.js';
import { judgeDelta } from './judge-delta.js';

const lease = (issuedAtMs: number, expiresAtMs = issuedAtMs + 1000) => ({
  issuedAtMs: BigInt(issuedAtMs),
  expiresAtMs: BigInt(expiresAtMs),
});
const judge = (body: MessageInitShape<typeof GalleryDeltaBodySchema>, head: CacheHead) =>
  judgeDelta(create(GalleryDeltaBodySchema, body), head);

const held: CacheHead = {
  ...emptyHead,
  cacheId: 'b',
  version: 5,
  lease: { issuedAtMs: 100, expiresAtMs: 1100 },
  newestLeaseMs: 100,
  retired: ['a'],
};

describe('a delta of the cache that is held', () => {
  it('follows the version that is held', () => {
    const verdict = judge({ cacheId: 'b', fromVersion: 5n, toVersion: 9n }, held);
    expect(verdict).toEqual({ kind: 'apply', begins: false, head: { ...held, version: 9 } });
  });

  it('is repeated when the version is passed, and refused when it is not reached', () => {
    for (const [fromVersion, toVersion] of [
      [3n, 5n],
      [0n, 5n],
      [1n, 2n],
      [4n, 4n],
    ] as const) {
      expect(judge({ cacheId: 'b', fromVersion, toVersion }, held)).toEqual({ kind: 'repeated', head: held });
    }
    for (const [fromVersion, toVersion] of [
      [6n, 7n],
      [6n, 6n],
      [3n, 7n],
    ] as const) {
      expect(judge({ cacheId: 'b', fromVersion, toVersion }, held)).toEqual({ kind: 'refused', code: 'CACHE.GAP' });
    }
  });

  it('renews the lease by the newest issue, also when that ends earlier, and by no older one', () => {
    const renewed = judge({ cacheId: 'b', fromVersion: 5n, toVersion: 5n, lease: lease(200, 300) }, held);
    expect(renewed).toMatchObject({ kind: 'apply', head: { lease: { issuedAtMs: 200, expiresAtMs: 300 } } });
    const old = judge({ cacheId: 'b', fromVersion: 5n, toVersion: 5n, lease: lease(99, 99_999) }, held);
    expect(old).toMatchObject({ kind: 'apply', head: held });
    const late = judge({ cacheId: 'b', fromVersion: 3n, toVersion: 4n, lease: lease(300) }, held);
    expect(late).toMatchObject({ kind: 'repeated', head: { lease: { issuedAtMs: 300 }, newestLeaseMs: 300 } });
  });
});

describe('a delta of another cache', () => {
  it('begins anew from nothing, and the one before never returns', () => {
    const verdict = judge({ cacheId: 'c', fromVersion: 0n, toVersion: 2n, lease: lease(100) }, held);
    expect(verdict).toEqual({
      kind: 'apply',
      begins: true,
      head: {
        ...{ cacheId: 'c', version: 2, belonging: null, newestLeaseMs: 100 },
        lease: { issuedAtMs: 100, expiresAtMs: 1100 },
        retired: ['b', 'a'],
      },
    });
    expect(judge({ cacheId: 'a', fromVersion: 0n, toVersion: 2n, lease: lease(999) }, held).kind).toBe('repeated');
  });

  it('is refused when it builds on what is not held, or when its lease is older than one that was seen', () => {
    const later = { cacheId: 'c', fromVersion: 2n, toVersion: 3n, lease: lease(200) };
    expect(judge(later, held)).toEqual({ kind: 'refused', code: 'CACHE.GAP' });
    const older = { cacheId: 'c', fromVersion: 0n, toVersion: 3n, lease: lease(99) };
    expect(judge(older, held)).toEqual({ kind: 'refused', code: 'CACHE.STALE' });
  });

  it('leaves the box without a lease until one comes', () => {
    const verdict = judge({ cacheId: 'c', fromVersion: 0n, toVersion: 1n }, held);
    expect(verdict).toMatchObject({ kind: 'apply', head: { lease: null, newestLeaseMs: 100 } });
  });
});

it.each([
  { cacheId: '', fromVersion: 0n, toVersion: 1n },
  { cacheId: 'b', fromVersion: 7n, toVersion: 6n },
  { cacheId: 'b', fromVersion: 5n, toVersion: 2n ** 60n },
  { cacheId: 'b', fromVersion: 5n, toVersion: 6n, lease: { issuedAtMs: 0n, expiresAtMs: 5n } },
  { cacheId: 'b', fromVersion: 5n, toVersion: 6n, lease: { issuedAtMs: 5n, expiresAtMs: 2n ** 60n } },
])('what makes no sense is refused: %o', (body) => {
  expect(judge(body, held)).toEqual({ kind: 'refused', code: 'CACHE.INVALID' });
});
