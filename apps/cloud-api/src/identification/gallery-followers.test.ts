import type { rest } from '@sightline/contracts';
import { inTransaction } from '@sightline/database';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { GALLERY_INDEX } from '../platform/tokens.js';
import { galleryFollower } from '../storage/gallery-schema.js';
import { enrolAlong } from '../testing/enrol.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { until } from '../testing/test-device.js';
import { recordGalleryChanges } from './gallery-feed.js';
import { GalleryFollower } from './gallery-follower.js';
import { GalleryFollowers } from './gallery-followers.js';
import type { GalleryIndex } from './gallery-index.js';

const PLATFORM_KEY = 'platform-key-0123456789abcdef';
const asPlatform = { headers: { authorization: `Bearer ${PLATFORM_KEY}` } };

let cloud: TestCloud;
let followers: GalleryFollowers;
let index: GalleryIndex;

beforeAll(async () => {
  cloud = await startTestCloud({ access: { platformKey: PLATFORM_KEY } });
  followers = cloud.api.app.get(GalleryFollowers);
  index = cloud.api.app.get<GalleryIndex>(GALLERY_INDEX);
});
afterAll(() => cloud.stop());

/** A process that is not there any more, last seen a while ago. */
async function ghost(id: string, seconds: number): Promise<void> {
  const seenAt = sql`now() - make_interval(secs => ${seconds})`;
  await cloud.api.database.db.insert(galleryFollower).values({ id, kind: 'flat', version: 0, seenAt });
}

describe('the followers of the gallery', () => {
  it('have all passed a version once each of them has', async () => {
    const { version } = await enrolAlong(cloud.api, 'Anna', 1);
    await until(async () => ((await followers.allPassed(version)).passed ? true : undefined), 'the own gallery');
    await ghost('slow', 1);
    expect(await followers.allPassed(version)).toMatchObject({ passed: false, behind: [{ id: 'slow', version: 0 }] });
    expect(await followers.advance('slow', null, version)).toBe(true);
    expect(await followers.allPassed(version)).toEqual({ passed: true, behind: [] });
    expect(await followers.allPassed(version + 1)).toMatchObject({ passed: false, behind: [{}, {}] });
    await followers.remove('slow');
  });

  it('are dropped when they have not been seen for a minute', async () => {
    await ghost('dead', 61);
    await ghost('alive', 50);
    expect((await followers.allPassed(1)).behind.map(({ id }) => id)).toEqual(['alive']);
    expect(await followers.seen('dead', null)).toBeUndefined();
    expect(await followers.advance('dead', null, 7)).toBe(false);
    await followers.remove('alive');
  });

  it('that were dropped fill their gallery anew before they answer again', async () => {
    const { id: personId } = await enrolAlong(cloud.api, 'Bert', 2);
    const { gallery } = index;
    const [before] = await gallery.partitions();
    await followers.remove(index.id);
    // Gone without a change in the feed: only what reads everything anew can notice.
    await cloud.api.database.pool.query('DELETE FROM cloud.person WHERE tenant_id = $1 AND id = $2', [
      TENANT,
      personId,
    ]);
    await cloud.api.database.db.execute(sql`SELECT pg_notify('cloud_gallery_follower', '')`);
    await until(async () => {
      const [now] = await gallery.partitions();
      return now?.templates === (before?.templates ?? 0) - 1 ? true : undefined;
    }, 'a gallery without the person');
    await until(async () => ((await cloud.api.app.get(GalleryFollower).ready()) ? true : undefined), 'readiness');
    expect(await followers.read(index.id)).toMatchObject({ kind: 'flat', rebuildState: 'done' });
  });

  it('are shown to the platform alone, with how far they are', async () => {
    const { version } = await enrolAlong(cloud.api, 'Cleo', 3);
    expect((await cloud.request({ url: '/v1/gallery' })).statusCode).toBe(403);
    expect((await cloud.request({ method: 'POST', url: '/v1/gallery/rebuild' })).statusCode).toBe(403);
    const response = await cloud.request({ url: '/v1/gallery', ...asPlatform });
    expect(response.json<rest.GalleryState>()).toMatchObject({
      version,
      followers: [{ id: index.id, kind: 'flat', version, behind: 0 }],
    });
  });

  it('build their galleries anew when the platform asks for it', async () => {
    await enrolAlong(cloud.api, 'Dora', 4);
    const { gallery } = index;
    const before = await gallery.partitions();
    await gallery.remove(
      (await cloud.api.database.pool.query<{ id: never }>('SELECT id FROM cloud.template')).rows.map(({ id }) => id),
    );
    expect(await gallery.partitions()).toEqual([]);
    const asked = await cloud.request({ method: 'POST', url: '/v1/gallery/rebuild', ...asPlatform });
    expect(asked.statusCode).toBe(202);
    await until(async () => {
      const state = (await cloud.request({ url: '/v1/gallery', ...asPlatform })).json<rest.GalleryState>();
      const [rebuild] = state.followers.map((follower) => follower.rebuild);
      return rebuild?.state === 'done' && rebuild.progress === 1 && rebuild.finishedAt !== null ? true : undefined;
    }, 'the rebuild');
    expect(await gallery.partitions()).toEqual(before);
  });

  it('are not removed by hand while a process is one', async () => {
    const remove = (id: string) =>
      cloud.request({ method: 'DELETE', url: `/v1/gallery/followers/${id}`, ...asPlatform });
    expect((await remove(index.id)).statusCode).toBe(404);
    await followers.register({ id: 'qdrant-0123456789abcdef', kind: 'qdrant' });
    expect((await remove('qdrant-0123456789abcdef')).statusCode).toBe(204);
    expect((await remove('qdrant-0123456789abcdef')).statusCode).toBe(404);
  });

  it('hear of a change whose transaction commits late, in its order', async () => {
    const follower = cloud.api.app.get(GalleryFollower);
    const version = await inTransaction(cloud.api.database, (tx) => recordGalleryChanges(tx, [], new Date()));
    await follower.passed(version);
    const rows = await cloud.api.database.db.select().from(galleryFollower).where(eq(galleryFollower.id, index.id));
    expect(rows).toMatchObject([{ version }]);
  });
});
