import { createHash, createPrivateKey } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newSightingId, silentLogger, type DeviceId, type TenantId } from '@sightline/kernel';
import { newX25519KeyPair, openImage, SEALED_IMAGE_OVERHEAD } from '@sightline/template-protection';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { AgentStage, fakeBundle } from '../testing/agent-stage.js';
import { ScriptedSource, type ScriptedFace } from '../testing/fake-recognition.js';
import { digestOf } from '../testing/fixtures.js';
import { TusServer } from '../testing/tus-server.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { faceJpeg } from './face-jpeg.js';
import type { ImagePolicy } from './image-policy.js';
import { ImageSpool } from './image-spool.js';
import { ImageUploader } from './image-uploader.js';
import { SightingImages } from './sighting-images.js';
import { uploadImage } from './upload-image.js';

const address = { tenantId: 'acme' as TenantId, deviceId: 'door-1' as DeviceId };
const pair = newX25519KeyPair();
const privateKey = createPrivateKey({ key: Buffer.from(pair.privateKey), format: 'der', type: 'pkcs8' });
const face = (tone: number) => ({ aligned: new Uint8Array(112 * 112 * 3).fill(tone), quality: 0.8 });
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
let directory: string;
let clock: VirtualClock;
let server: TusServer;
let url: string;
let policy: ImagePolicy | undefined;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-images-'));
  clock = new VirtualClock();
  server = new TusServer();
  url = await server.start();
  policy = {
    ...{ publicKey: pair.publicKey, uploadUrl: url, minimumQuality: 0.5, sampleRate: 1 },
    maximumBytesPerDay: 1_000_000,
  };
});
afterEach(() => {
  server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function openBox(outbox = { nextSequence: 1, acknowledgedThrough: 0 }) {
  const spool = new ImageSpool(directory, clock);
  const options = { spool, address, policy: () => policy, outbox, random: () => 0.5, log: silentLogger };
  const images = new SightingImages(options);
  const uploader = new ImageUploader({
    ...{ spool, images, policy: () => policy, credentials: { username: 'acme/door-1', password: 'secret' } },
    ...{ upload: uploadImage, clock, random: () => 0.5, log: silentLogger },
  });
  return { spool, images, uploader, outbox };
}

/** A sighting with its image, recorded. */
async function sight({ images, outbox }: ReturnType<typeof openBox>, tone = 100): Promise<string> {
  const digest = await images.take(face(tone), newSightingId());
  if (digest === undefined) throw new Error('no image was taken');
  outbox.nextSequence += 1;
  images.recorded(digest);
  return Buffer.from(digest).toString('hex');
}

/** Lets time pass until something holds: uploads take real turns besides. */
const until = (what: () => void): Promise<void> =>
  vi.waitFor(
    async () => {
      await clock.advance(2000);
      what();
    },
    { timeout: 5000, interval: 5 },
  );

describe('the image of a sighting', () => {
  it('is the aligned face as a JPEG without metadata, sealed before it touches the disk', async () => {
    const { images, spool } = openBox();
    const sightingId = newSightingId();
    const digest = await images.take(face(120), sightingId);
    const [image] = spool.images;
    expect(image?.digest).toBe(Buffer.from(digest ?? []).toString('hex'));
    const sealed = readFileSync(join(directory, readdirSync(directory)[0] ?? ''));
    expect(sha256(sealed)).toBe(image?.digest);
    const jpeg = openImage(sealed, privateKey, { ...address, sightingId });
    expect(sealed).toHaveLength(jpeg.length + SEALED_IMAGE_OVERHEAD);
    expect(await sharp(Buffer.from(jpeg)).metadata()).toMatchObject({ format: 'jpeg', width: 112, height: 112 });
    expect((await sharp(Buffer.from(jpeg)).metadata()).exif).toBeUndefined();
    expect(await faceJpeg(new Uint8Array(100))).toBeUndefined();
  });

  it('is not made where the box is not to, of a bad shot, or of a sighting outside the sample', async () => {
    const { images, spool } = openBox();
    expect(await images.take({ ...face(1), quality: 0.4 }, newSightingId())).toBeUndefined();
    policy = policy && { ...policy, sampleRate: 0.5 };
    expect(await images.take(face(1), newSightingId())).toBeUndefined();
    policy = undefined;
    expect(await images.take(face(1), newSightingId())).toBeUndefined();
    expect(spool.images).toEqual([]);
  });

  it('may be uploaded once its sighting is acknowledged, also by the next run, and goes when that is not stored', async () => {
    const box = openBox();
    const digest = await sight(box);
    expect(box.images.next()).toBeUndefined();
    box.outbox.acknowledgedThrough = 1;
    expect(box.images.next()?.digest).toBe(digest);
    const later = openBox({ nextSequence: 5, acknowledgedThrough: 3 });
    expect(later.images.next()).toBeUndefined();
    later.outbox.acknowledgedThrough = 4;
    expect(later.images.next()?.digest).toBe(digest);
    await later.images.unrecorded(new Uint8Array(Buffer.from(digest, 'hex')));
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is missed when the disk takes nothing: the sighting goes without it', async () => {
    const { images } = openBox();
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'no folder');
    expect(await images.take(face(1), newSightingId())).toBeUndefined();
    expect(images.counts).toEqual({ sealed: 0, failed: 1 });
  });
});

describe('the spool', () => {
  it('is bounded in size and age, the oldest first, and survives a restart', async () => {
    const limits = { bytes: 1000, ageMs: 10_000 };
    const spool = new ImageSpool(directory, clock, limits);
    const names = ['a', 'b', 'c'].map(digestOf);
    for (const name of names) {
      await spool.put(name, new Uint8Array(400));
      await clock.advance(1000);
    }
    expect(spool.images.map(({ digest }) => digest)).toEqual(names.slice(1));
    expect([spool.bytes, spool.dropped]).toEqual([800, 1]);
    writeFileSync(join(directory, 'cut.tmp'), 'x');
    const again = new ImageSpool(directory, clock, limits);
    expect(again.images).toEqual(spool.images);
    expect(existsSync(join(directory, 'cut.tmp'))).toBe(false);
    await clock.advance(8500);
    await again.expire();
    expect(again.images.map(({ digest }) => digest)).toEqual(names.slice(2));
  });
});

describe('the uploader', () => {
  it('goes on where the connection was cut, and deletes what the cloud has', async () => {
    const box = openBox({ nextSequence: 1, acknowledgedThrough: 9 });
    const digest = await sight(box);
    server.cutAfter = 200;
    server.refusals.push({ status: 503, code: 'SERVICE.UNAVAILABLE' });
    box.uploader.start();
    await until(() => expect(server.stored.has(digest)).toBe(true));
    await until(() => expect(box.spool.images).toEqual([]));
    expect(box.uploader.status).toEqual({ uploaded: 1, refused: 0, problem: null });
    expect([...server.authorizations]).toEqual([`Basic ${Buffer.from('acme/door-1:secret').toString('base64')}`]);
    await box.uploader.stop();
  });

  it('deletes what the cloud does not want, and keeps what it has no room for', async () => {
    const box = openBox({ nextSequence: 1, acknowledgedThrough: 9 });
    const [unwanted, later] = [await sight(box, 1), await sight(box, 2)];
    server.refusals.push({ status: 404, code: 'SEALED_IMAGE.NOT_EXPECTED' });
    const noRoom = { status: 507, code: 'SEALED_IMAGE.NO_ROOM' };
    server.refusals.push(...Array.from({ length: 1000 }, () => noRoom));
    box.uploader.start();
    await until(() => expect(box.uploader.status.problem).toBe(noRoom.code));
    expect(box.spool.images.map(({ digest }) => digest)).toEqual([later]);
    server.refusals.length = 0;
    await until(() => expect(server.stored.has(later)).toBe(true));
    expect(server.uploads.has(unwanted)).toBe(false);
    await until(() => expect(box.uploader.status).toEqual({ uploaded: 1, refused: 1, problem: null }));
    await box.uploader.stop();
  });

  it('uploads no more than a day allows, and empties the spool when it is turned off', async () => {
    const box = openBox({ nextSequence: 1, acknowledgedThrough: 9 });
    await sight(box, 1);
    const [{ bytes } = { bytes: 0 }] = box.spool.images;
    await sight(box, 2);
    policy = policy && { ...policy, maximumBytesPerDay: bytes + 10 };
    box.uploader.start();
    await until(() => expect(server.stored.size).toBe(1));
    await clock.advance(20_000);
    expect(box.spool.images).toHaveLength(1);
    policy = undefined;
    await until(() => expect(readdirSync(directory)).toEqual([]));
    expect(server.stored.size).toBe(1);
    await box.uploader.stop();
  });

  it('shows its password to nobody without TLS', async () => {
    const signal = new AbortController().signal;
    const upload = { username: 'u', password: 'p', digest: digestOf('a'), sealed: new Uint8Array(100) };
    await expect(uploadImage({ ...upload, url: 'http://cloud.example' }, signal)).rejects.toMatchObject({
      ...{ code: 'IMAGE_UPLOAD.INSECURE', retryable: true },
    });
    server.stop();
    await expect(uploadImage({ ...upload, url }, signal)).rejects.toMatchObject({
      ...{ code: 'IMAGE_UPLOAD.UNREACHABLE', retryable: true },
    });
  });
});

describe('an agent that is desired to keep images', () => {
  it('refers to them in its sightings, uploads them, and has none once that is over', async () => {
    const stage = new AgentStage();
    const bundle = fakeBundle('1.0.0', digestOf('a'));
    stage.active = { current: bundle };
    await stage.cloud.start();
    try {
      await stage.cloud.desireConfig({
        version: 1n,
        sealedImages: { $typeName: 'sightline.v1.SealedImages', ...policy } as never,
      });
      const seen: ScriptedFace[][] = [...Array.from({ length: 5 }, () => [{ person: 1, x: 10 }])];
      let leave = (): void => undefined;
      const desired = new Promise<void>((resolve) => (leave = resolve));
      const frames = [...seen, ...Array.from({ length: 6 }, () => [])];
      const agent = await stage.start([
        new ScriptedSource(frames, (index) => (index === 0 ? desired : Promise.resolve())),
      ]);
      await vi.waitFor(() => expect(agent.status().images.enabled).toBe(true), { timeout: 5000 });
      leave();
      await vi.waitFor(() => expect(stage.cloud.latest[0]?.sealedImageDigest).toHaveLength(32), { timeout: 5000 });
      const digest = Buffer.from(stage.cloud.latest[0]?.sealedImageDigest ?? []).toString('hex');
      await vi.waitFor(() => expect(server.stored.has(digest)).toBe(true), { timeout: 8000 });
      await vi.waitFor(() => expect(agent.status().images).toMatchObject({ sealed: 1, uploaded: 1, waiting: 0 }));
      await stage.cloud.desireConfig({ version: 2n });
      await vi.waitFor(() => expect(agent.status().images.enabled).toBe(false), { timeout: 5000 });
    } finally {
      await stage.close();
    }
  }, 20_000);
});
