import { createHash, createPrivateKey } from 'node:crypto';
import { mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { fromBinary } from '@bufbuild/protobuf';
import { DesiredConfigSchema, topicOf, type DesiredConfig, type rest } from '@sightline/contracts';
import { newX25519KeyPair, openImage } from '@sightline/template-protection';
import { and, eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Retentions } from '../retention/retentions.js';
import { imageKey, sealedImage } from '../storage/image-schema.js';
import { enrolAlong } from '../testing/enrol.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { startTestDevice, until, type TestDevice } from '../testing/test-device.js';
import { TestImages, type BoxImage } from '../testing/test-images.js';
import { ImageKeys } from './image-keys.js';
import { ImageTails } from './image-tails.js';
import { ImageUpkeep } from './image-upkeep.js';
import { digestBytes, personIdsOf } from './stored-image.js';

const DAY_MS = 86_400_000;
const signal = new AbortController().signal;
let cloud: TestCloud;
let device: TestDevice;
let images: TestImages;
const desired: DesiredConfig[] = [];

beforeAll(async () => {
  cloud = await startTestCloud({ publicUrl: 'http://127.0.0.1:1' });
  device = await startTestDevice(cloud, 'box-1');
  images = new TestImages(cloud, device);
  await device.connection.subscribe(topicOf(device.address, 'desired/config'), async ({ payload }) => {
    desired.push(fromBinary(DesiredConfigSchema, payload));
  });
  await enrolAlong(cloud.api, 'Ada', 0);
});
afterAll(async () => {
  await device.connection.close();
  await cloud.stop();
});

const root = () => join(cloud.config.dataDirectory, 'images');
const storedPath = ({ digest }: BoxImage) => join(root(), 'stored', TENANT, digest.slice(0, 2), digest);
const incomingPath = ({ digest }: BoxImage) => join(root(), 'incoming', TENANT, digest);
const upkeep = () => cloud.api.app.get(ImageUpkeep);
const codeOf = (response: { json(): unknown }) => (response.json() as rest.Problem).code;

async function rowOf({ digest }: BoxImage) {
  const [row] = await cloud.api.database.db
    .select()
    .from(sealedImage)
    .where(and(eq(sealedImage.tenantId, TENANT), eq(sealedImage.digest, digestBytes(digest))));
  return row;
}

async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe('images of a site', () => {
  it('are off: a digest that a box sends all the same is not taken', async () => {
    expect((await cloud.request({ url: '/v1/image-sites' })).json()).toEqual({ items: [] });
    await cloud.request({ method: 'POST', url: '/v1/image-keys/rotate', payload: {} });
    const image = await images.sight(5);
    expect(codeOf(await images.begin(image))).toBe('SEALED_IMAGE.NOT_EXPECTED');
  });

  it('are turned on by an admin, and the boxes of the site learn the key and the bounds', async () => {
    expect((await images.enable({ minimumQuality: 0.5, sampleRate: 0.25 })).json()).toMatchObject({
      ...{ siteId: 'lobby', enabled: true, outcomes: ['ambiguous', 'unknown'], purpose: null },
    });
    const seen = await until(
      () => desired.find(({ sealedImages }) => sealedImages !== undefined),
      'the desired images',
    );
    const { items } = (await cloud.request({ url: '/v1/image-keys' })).json<rest.ImageKeyList>();
    expect(Buffer.from(seen.sealedImages?.publicKey ?? []).toString('base64')).toBe(items[0]?.publicKey);
    expect(seen.sealedImages).toMatchObject({ uploadUrl: 'http://127.0.0.1:1', sampleRate: 0.25, minimumQuality: 0.5 });
    await images.enable();
  });
});

describe('an upload', () => {
  it('is taken in parts, goes on where it was cut, and opens for a purpose that the audit keeps', async () => {
    const image = await images.sight(6);
    const begun = await images.begin(image);
    expect(begun.statusCode).toBe(201);
    expect(begun.headers).toMatchObject({ location: `/v1/image-uploads/${image.digest}`, 'tus-resumable': '1.0.0' });
    expect((await images.append(image, 0, image.sealed.subarray(0, 1000))).headers['upload-offset']).toBe('1000');
    expect((await images.begin(image)).headers['upload-offset']).toBe('1000');
    const wrong = await images.append(image, 900, image.sealed.subarray(900));
    expect([wrong.statusCode, codeOf(wrong)]).toEqual([409, 'SEALED_IMAGE.WRONG_OFFSET']);
    // Cut within the last bytes: none of those is on the disk.
    const cut = await images.append(image, 1000, image.sealed.subarray(1000, -5));
    expect(Number(cut.headers['upload-offset'])).toBe(image.sealed.length - 32);
    expect(await readFile(incomingPath(image))).toHaveLength(image.sealed.length - 32);
    const { headers } = await images.state(image);
    expect(headers).toMatchObject({ 'upload-length': String(image.sealed.length) });
    const last = await images.append(image, Number(headers['upload-offset']), image.sealed.subarray(-32));
    expect([last.statusCode, last.headers['upload-offset']]).toEqual([204, String(image.sealed.length)]);
    expect((await images.begin(image)).headers['upload-offset']).toBe(String(image.sealed.length));

    const opened = await images.open(image);
    expect(opened.headers).toMatchObject({ 'content-type': 'image/jpeg', 'cache-control': 'no-store' });
    expect(new Uint8Array(opened.rawPayload)).toEqual(image.jpeg);
    const audit = (await cloud.request({ url: '/v1/audit?limit=5' })).json<{ items: object[] }>();
    expect(audit.items[0]).toMatchObject({
      ...{ action: 'image.open', purpose: 'review:CASE-7', outcome: 'succeeded' },
      ...{ subjectKind: 'image', subjectId: image.digest },
    });
    const page = (
      await cloud.request({ url: `/v1/images?sightingId=${image.sightingId}` })
    ).json<rest.SealedImagePage>();
    expect(page.items).toMatchObject([{ digest: image.digest, outcome: 'unknown', bytes: image.sealed.length }]);
    const decision = await cloud.request({ url: `/v1/identifications/${image.sightingId}:1` });
    expect(decision.json<rest.Identification>().imageDigest).toBe(image.digest);
  });

  it('is refused and removed when its bytes are not the image that was announced', async () => {
    const image = await images.sight(6);
    const forged = image.sealed.map((byte, index) => (index === 50 ? byte ^ 1 : byte));
    await images.begin(image);
    const refused = await images.append(image, 0, forged);
    expect([refused.statusCode, codeOf(refused)]).toEqual([422, 'SEALED_IMAGE.INVALID']);
    expect((await images.state(image)).headers['upload-offset']).toBe('0');
    expect((await images.append(image, 0, image.sealed)).statusCode).toBe(204);
  });

  it('keeps nothing of a part whose checksum is wrong, and takes it with the right one', async () => {
    const image = await images.sight(6);
    await images.begin(image);
    const checksum = (bytes: Uint8Array) => `sha256 ${createHash('sha256').update(bytes).digest('base64')}`;
    const part = image.sealed.subarray(0, 500);
    const wrong = await images.append(image, 0, part, { 'upload-checksum': checksum(image.sealed) });
    expect([wrong.statusCode, codeOf(wrong)]).toEqual([460, 'SEALED_IMAGE.WRONG_CHECKSUM']);
    expect((await images.state(image)).headers['upload-offset']).toBe('0');
    expect((await images.append(image, 0, part, { 'upload-checksum': checksum(part) })).statusCode).toBe(204);
  });

  it('waits while the disk is full, and loses nothing', async () => {
    const image = await images.sight(6);
    await images.begin(image);
    await mkdir(join(incomingPath(image), '..'), { recursive: true });
    await symlink('/dev/full', incomingPath(image));
    const full = await images.append(image, 0, image.sealed);
    expect([full.statusCode, codeOf(full)]).toEqual([507, 'SEALED_IMAGE.NO_ROOM']);
    await rm(incomingPath(image));
    expect((await images.append(image, 0, image.sealed)).statusCode).toBe(204);
    expect((await images.open(image)).statusCode).toBe(200);
  });

  it('is bounded in size, and by what a box may upload in a day', async () => {
    const [one, other] = [await images.sight(6), await images.sight(6)];
    await images.enable({ maximumBytesPerDay: 262_144 });
    expect((await images.begin(one, 262_145)).statusCode).toBe(413);
    const used = await cloud.api.database.db.execute<{ bytes: number }>(
      sql`SELECT sum(length)::int AS bytes FROM cloud.sealed_image`,
    );
    expect((await images.begin(one, 262_144 - (used.rows[0]?.bytes ?? 0))).statusCode).toBe(201);
    const refused = await images.begin(other);
    expect([refused.statusCode, codeOf(refused)]).toEqual([429, 'SEALED_IMAGE.QUOTA']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    await images.enable();
    expect((await images.upload(other)).statusCode).toBe(204);
  });

  it('is for the box of the sighting alone, and speaks the protocol that it says', async () => {
    const image = await images.sight(6);
    const stranger = await startTestDevice(cloud, 'box-2');
    const foreign = await new TestImages(cloud, stranger).begin(image);
    expect([foreign.statusCode, codeOf(foreign)]).toEqual([404, 'SEALED_IMAGE.NOT_EXPECTED']);
    await stranger.connection.close();
    const admin = { method: 'POST' as const, url: '/v1/image-uploads', headers: { 'tus-resumable': '1.0.0' } };
    expect((await cloud.request(admin)).statusCode).toBe(400);
    const old = await images.request('HEAD', `/v1/image-uploads/${image.digest}`, { 'tus-resumable': '0.2.0' });
    expect(old.statusCode).toBe(412);
    const wrong = `Basic ${Buffer.from('default/box-1:wrong').toString('base64')}`;
    expect((await images.request('POST', '/v1/image-uploads', { authorization: wrong })).statusCode).toBe(401);
    const read = await images.open(image, { authorization: wrong });
    expect(read.statusCode).toBe(401);
  });

  it('is not expected for a decision that the site does not keep, nor once the site is off', async () => {
    const named = await images.sight(0);
    expect(codeOf(await images.begin(named))).toBe('SEALED_IMAGE.NOT_EXPECTED');
    await images.enable({ outcomes: ['identified'], purpose: 'attendance' });
    const require = (required: string[]) =>
      cloud.request({ method: 'PUT', url: '/v1/consent-policy', payload: { required } });
    await require(['attendance']);
    await enrolAlong(cloud.api, 'Bob', 2);
    const lacking = await images.sight(2);
    await require([]);
    expect(codeOf(await images.begin(lacking))).toBe('SEALED_IMAGE.NOT_EXPECTED');
    await images.enable();
    const image = await images.sight(6);
    await images.enable({ enabled: false });
    expect(codeOf(await images.begin(image))).toBe('SEALED_IMAGE.NOT_EXPECTED');
    await until(() => (desired.at(-1)?.sealedImages === undefined ? true : undefined), 'boxes to be told');
  });
});

/** What a thief of a backup has: the file, the row and the tenant's private key. */
async function stolen(image: BoxImage) {
  const row = await rowOf(image);
  const file = await readFile(storedPath(image));
  const [key] = await cloud.api.database.db
    .select()
    .from(imageKey)
    .where(eq(imageKey.keyId, row?.keyId ?? ''));
  if (row?.sealedTail == null || key === undefined) throw new Error('the image is not stored');
  return { row, file, privateKey: cloud.api.app.get(ImageKeys).privateKey(key), sealedTail: row.sealedTail };
}

describe('the erasure of a person', () => {
  it('destroys their images, so that not even a backup with every other key opens one', async () => {
    await images.enable({ outcomes: ['identified', 'unknown'] });
    const { id: eve } = await enrolAlong(cloud.api, 'Eve', 1);
    const image = await images.sight(1);
    expect((await images.upload(image)).statusCode).toBe(204);
    const waiting = await images.sight(1);
    await images.begin(waiting);
    const unknown = await images.sight(9);
    await images.upload(unknown);
    const payload = { verdict: 'is-person', personId: eve };
    const review = { method: 'POST' as const, url: `/v1/identifications/${unknown.sightingId}:1/review`, payload };
    expect((await cloud.request(review)).statusCode).toBe(200);
    expect((await images.open(unknown)).statusCode).toBe(200);
    const backups = [await stolen(image), await stolen(unknown)];

    expect((await cloud.request({ method: 'DELETE', url: `/v1/people/${eve}` })).statusCode).toBeLessThan(300);
    for (const one of [image, unknown]) {
      expect(await rowOf(one)).toBeUndefined();
      expect((await images.open(one)).statusCode).toBe(404);
      const files = await filesBelow(root());
      expect(files.filter((file) => file.endsWith(one.digest))).toEqual([]);
    }
    for (const path of await filesBelow(root())) {
      const bytes = await readFile(path);
      for (const one of [image, unknown]) expect(bytes.includes(Buffer.from(one.sealed.subarray(-32)))).toBe(false);
    }
    expect(codeOf(await images.append(waiting, 0, waiting.sealed))).toBe('SEALED_IMAGE.NOT_EXPECTED');
    const tails = cloud.api.app.get(ImageTails);
    for (const { row, file, privateKey, sealedTail } of backups) {
      const digest = Buffer.from(row.digest).toString('hex');
      expect(await tails.open({ tenantId: TENANT, digest, personIds: personIdsOf(row) }, sealedTail)).toBeUndefined();
      if (privateKey === undefined) throw new Error('the private key is here');
      for (const end of [new Uint8Array(32), sealedTail.subarray(0, 32), sealedTail.subarray(-32)]) {
        expect(() => openImage(Buffer.concat([file, end]), privateKey, row)).toThrow();
      }
    }
  });
});

describe('stored images', () => {
  it('go with their time, files and all', async () => {
    const image = await images.sight(6);
    await images.upload(image);
    const { db } = cloud.api.database;
    const past = new Date(Date.now() - 15 * DAY_MS);
    await db
      .update(sealedImage)
      .set({ notedAt: past })
      .where(eq(sealedImage.digest, digestBytes(image.digest)));
    await cloud.api.app.get(Retentions).pass(signal);
    await upkeep().removeFiles();
    expect(await rowOf(image)).toBeUndefined();
    await expect(readFile(storedPath(image))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('are put in order: files that nobody knows go, and so do rows that have lost theirs', async () => {
    const [kept, lost] = [await images.sight(6), await images.sight(6)];
    for (const image of [kept, lost]) await images.upload(image);
    const stray = { ...kept, digest: 'ab'.repeat(32) };
    await mkdir(join(storedPath(stray), '..'), { recursive: true });
    for (const path of [storedPath(stray), incomingPath(stray)]) await writeFile(path, 'left behind');
    await rm(storedPath(lost));
    const old = new Date(Date.now() - DAY_MS);
    for (const path of [storedPath(stray), incomingPath(stray), storedPath(kept)]) await utimes(path, old, old);
    await upkeep().reconcile(signal);
    const names = await filesBelow(root());
    expect(names.some((name) => name.endsWith(stray.digest))).toBe(false);
    expect(await rowOf(lost)).toBeUndefined();
    expect((await images.open(kept)).statusCode).toBe(200);
  });

  it('stay openable after a rotation, and are opened elsewhere when the tenant keeps the private key', async () => {
    const before = await images.sight(6);
    await images.upload(before);
    const own = newX25519KeyPair();
    const rotate = (publicKey: Uint8Array) =>
      cloud.request({
        ...{ method: 'POST', url: '/v1/image-keys/rotate' },
        payload: { publicKey: Buffer.from(publicKey).toString('base64') },
      });
    const rotated = await rotate(own.publicKey);
    expect(rotated.statusCode).toBe(202);
    expect(rotated.json<rest.ImageKeyList>().items[0]).toMatchObject({ external: true, state: 'current', images: 0 });
    expect(codeOf(await rotate(own.publicKey))).toBe('SEALED_IMAGE.KEY_IN_USE');
    expect((await images.open(before)).statusCode).toBe(200);
    const after = await images.sight(6);
    await images.upload(after);
    const opened = await images.open(after);
    expect(opened.headers['content-type']).toBe('application/vnd.sightline.sealed-image');
    const key = createPrivateKey({ key: Buffer.from(own.privateKey), format: 'der', type: 'pkcs8' });
    const subject = { ...device.address, sightingId: after.sightingId };
    expect(openImage(new Uint8Array(opened.rawPayload), key, subject)).toEqual(after.jpeg);
  });

  it('are not opened by auditors, nor more of them in a minute than somebody looks at', async () => {
    const image = await images.sight(6);
    await images.upload(image);
    const made = async (role: string) => {
      const payload = { label: 'test', role };
      const response = await cloud.request({ method: 'POST', url: '/v1/api-keys', payload });
      return { authorization: `Bearer ${response.json<rest.NewApiKey>().secret}` };
    };
    expect((await images.open(image, await made('auditor'))).statusCode).toBe(403);
    const operator = await made('operator');
    const answers = await Promise.all(Array.from({ length: 31 }, () => images.open(image, operator)));
    expect(answers.map(({ statusCode }) => statusCode).filter((status) => status === 429)).toHaveLength(1);
  });
});
