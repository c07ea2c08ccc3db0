import { openDatabase, type Database } from '@sightline/database';
import { openQdrantGallery } from '@sightline/gallery';
import { startStandInQdrant } from '@sightline/gallery/testing';
import { newPersonId, newTemplateId, silentLogger, systemClock, type Clock } from '@sightline/kernel';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { PersonalData } from '../personal-data/personal-data.js';
import { GALLERY_INDEX } from '../platform/tokens.js';
import { Notifications } from '../storage/notifications.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { enrolAlong } from '../testing/enrol.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { until } from '../testing/test-device.js';
import { GalleryFollower } from './gallery-follower.js';
import { GalleryFollowers } from './gallery-followers.js';
import type { GalleryIndex } from './gallery-index.js';

const standIn = await startStandInQdrant();
const qdrant = { url: standIn.url, prefix: 'shared' };
/** Pauses of more than 20 s (between two looks at the content, after a writer that did not end well) are short. */
const hastyClock: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms > 20_000 ? 50 : ms, signal),
};
const ofTheClaim = "locktype = 'advisory' AND classid = hashtext('sightline gallery writer')::oid";

let cloud: TestCloud;
let followers: GalleryFollowers;
let index: GalleryIndex;

beforeAll(async () => {
  cloud = await startTestCloud({ qdrant, clock: hastyClock });
  followers = cloud.api.app.get(GalleryFollowers);
  index = cloud.api.app.get<GalleryIndex>(GALLERY_INDEX);
});
afterEach(() => {
  standIn.faults = () => undefined;
});
afterAll(async () => {
  await cloud.stop();
  await standIn.close();
});

const templatesHeld = async (): Promise<number> =>
  (await index.gallery.partitions()).reduce((sum, { templates }) => sum + templates, 0);
const writer = async () => (await followers.read(index.id))?.writer;
const removePerson = (id: string) => cloud.request({ method: 'DELETE', url: `/v1/people/${id}` });

/** The connection that holds the claim breaks, as when its process dies. */
async function loseClaim(): Promise<void> {
  await cloud.api.database.pool.query(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE ${ofTheClaim}`);
}

/** What another process has: connections, a client and a follower of its own. */
async function otherProcess(): Promise<{ database: Database; follower: GalleryFollower; stop: () => Promise<void> }> {
  const database = await openDatabase({ url: cloud.config.databaseUrl, log: silentLogger });
  const notifications = new Notifications(database, hastyClock, silentLogger);
  const gallery = openQdrantGallery({ ...qdrant, clock: hastyClock });
  const follower = new GalleryFollower(
    ...([database, { kind: 'qdrant' as const, id: index.id, gallery }, cloud.api.app.get(PersonalData)] as const),
    ...([new GalleryFollowers(database), hastyClock, silentLogger, notifications] as const),
  );
  await follower.start();
  notifications.start();
  const stop = async (): Promise<void> => {
    await notifications.stop();
    await follower.stop();
    await database.close();
  };
  return { database, follower, stop };
}

describe('a gallery that processes share', () => {
  it('has whoever was enrolled, and loses whoever is removed', async () => {
    const { id, version } = await enrolAlong(cloud.api, 'Anna', 1);
    await enrolAlong(cloud.api, 'Bert', 2);
    expect(await templatesHeld()).toBe(2);
    expect((await removePerson(id)).statusCode).toBe(204);
    expect(await templatesHeld()).toBe(1);
    expect((await followers.allPassed(version)).passed).toBe(true);
    expect((await cloud.request({ url: '/health/ready' })).json()).not.toMatchObject({ detail: /gallery/ });
  });

  it('is followed by every process, and written to by one', async () => {
    const before = await writer();
    const other = await otherProcess();
    expect(await other.follower.ready()).toBe(true);
    const { version } = await enrolAlong(cloud.api, 'Cleo', 3);
    await other.follower.passed(version);
    expect(await writer()).toBe(before);
    const { rows } = await other.database.pool.query(`SELECT 1 FROM pg_locks WHERE granted AND ${ofTheClaim}`);
    expect(rows).toHaveLength(1);
    await other.stop();
  });

  it('gets another writer when one loses its claim, and misses no change', async () => {
    const before = await writer();
    const other = await otherProcess();
    await loseClaim();
    const { version } = await enrolAlong(cloud.api, 'Dora', 4);
    await other.follower.passed(version);
    expect(await templatesHeld()).toBe(3);
    await other.stop();
    const next = await enrolAlong(cloud.api, 'Emil', 5);
    expect((await followers.allPassed(next.version)).passed).toBe(true);
    expect(before).not.toBeNull();
  });

  it('holds back an erasure’s proof until Qdrant has removed the template', async () => {
    const { id, version } = await enrolAlong(cloud.api, 'Fay', 6);
    standIn.faults = ({ path }) => (path.endsWith('/points/delete') ? { kind: 'status', status: 503 } : undefined);
    void removePerson(id);
    await until(async () => {
      const { rows } = await cloud.api.database.pool.query<{ version: string }>(
        'SELECT version FROM cloud.gallery_version',
      );
      return Number(rows[0]?.version) > version ? true : undefined;
    }, 'the change');
    expect(await followers.allPassed(version + 1)).toMatchObject({
      passed: false,
      behind: [{ kind: 'qdrant', version }],
    });
    standIn.faults = () => undefined;
    await until(async () => ((await followers.allPassed(version + 1)).passed ? true : undefined), 'the removal');
    expect(await templatesHeld()).toBe(4);
  });

  it('is built anew when Qdrant has lost it', async () => {
    const before = await index.gallery.partitions();
    standIn.wipe();
    await until(async () => {
      const now = await index.gallery.partitions();
      return JSON.stringify(now) === JSON.stringify(before) ? true : undefined;
    }, 'the content');
  });

  it('is built anew when a late change has brought back what was removed', async () => {
    const before = await templatesHeld();
    const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
    const late = openQdrantGallery(qdrant);
    await late.upsert([
      {
        ...{ templateId: newTemplateId(), personId: newPersonId(), attributes: { sites: [], groups: [] } },
        template: templateOf(axis(7), protector),
      },
    ]);
    expect(await templatesHeld()).toBe(before + 1);
    await loseClaim();
    await until(async () => ((await templatesHeld()) === before ? true : undefined), 'the removal');
  });

  it('is built anew when the platform asks for it, while enrolment goes on', async () => {
    const rebuilt = async (): Promise<true | undefined> => {
      const state = (await followers.read(index.id))?.rebuildState;
      return state === 'done' ? true : undefined;
    };
    await until(rebuilt, 'the rebuild before');
    const collections = standIn.collections();
    await followers.requestRebuild();
    const { version } = await enrolAlong(cloud.api, 'Gus', 8);
    await until(rebuilt, 'the rebuild');
    expect(standIn.collections()).toHaveLength(collections.length);
    expect(standIn.collections()).not.toEqual(collections);
    expect(await templatesHeld()).toBe(5);
    expect((await followers.allPassed(version)).passed).toBe(true);
    expect(standIn.violations).toEqual([]);
  });

  // Last: this process is stopped.
  it('is there again after a restart, which reads no template', async () => {
    const before = standIn.requests.length;
    await cloud.api.stop();
    const database = await openDatabase({ url: cloud.config.databaseUrl, log: silentLogger });
    expect(await new GalleryFollowers(database).read(index.id)).toMatchObject({ writer: null });
    await database.close();
    const next = await cloud.restart();
    const { version } = await enrolAlong(next, 'Hal', 9);
    expect((await next.app.get(GalleryFollowers).allPassed(version)).passed).toBe(true);
    expect(await templatesHeld()).toBe(6);
    const upserts = standIn.requests.slice(before).filter((request) => request === 'PUT /collections/*/points');
    expect(upserts).toHaveLength(1);
  });
});
