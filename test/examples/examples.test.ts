import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { TemplateCodec, rest } from '@sightline/contracts';
import { samplePhotos } from '@sightline/testing';
import sharp, { type Region } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';

import { HubUnderTest } from '../bad-input/hub-under-test.js';
import { RawDevice } from '../bad-input/raw-device.js';
import { until } from '../bad-input/until.js';

const folder = fileURLToPath(new URL('../../docs/examples/', import.meta.url));
/** One person twice, and another one. */
const FIRST = { photo: 0, region: { left: 1400, top: 130, width: 340, height: 340 } };
const AGAIN = { photo: 2, region: { left: 953, top: 43, width: 467, height: 643 } };
const OTHER = { photo: 0, region: { left: 742, top: 320, width: 379, height: 464 } };

let stand: HubUnderTest;
let device: RawDevice;
let directory: string;

async function portrait(name: string, { photo, region }: { readonly photo: number; readonly region: Region }) {
  const path = join(directory, name);
  await sharp(samplePhotos()[photo]).extract(region).jpeg({ quality: 92 }).toFile(path);
  return path;
}

/** Runs an example in a process group of its own, so that all of it can be ended. */
function start(file: string, args: readonly string[], apiKey = stand.hub.adminKey) {
  const command = file.endsWith('.sh') ? 'sh' : process.execPath;
  return spawn(command, [join(folder, file), ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SIGHTLINE_URL: stand.hub.ready.apiUrl, SIGHTLINE_API_KEY: apiKey },
  });
}

async function run(file: string, args: readonly string[], apiKey?: string) {
  const child = start(file, args, apiKey);
  const [out, err, [code]] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { code, out: Buffer.concat(out as Buffer[]).toString(), err: Buffer.concat(err as Buffer[]).toString() };
}

async function json<Schema extends z.ZodType>(schema: Schema, file: string, ...args: string[]) {
  const { code, out, err } = await run(file, args);
  expect([code, err]).toEqual([0, '']);
  return schema.parse(JSON.parse(out));
}

/** Nobody can compare it, so that no person is needed for it. */
const foreignTemplate = {
  ...{ modelSpace: 'another-space', keyId: 'ab'.repeat(16), codec: TemplateCodec.INT8, scale: 0.1, dimension: 4 },
  data: Uint8Array.of(1, 2, 3, 4),
};

/** The first line that an example prints which never ends, while a box sees somebody. */
async function firstLine(file: string): Promise<string> {
  const child = start(file, []);
  const [ended, lines] = [once(child, 'exit'), createInterface(child.stdout)];
  const printed: string[] = [];
  lines.on('line', (line) => void printed.push(line));
  // A stream has no first event that says that it is open: somebody is seen until it is.
  const line = await until(async () => {
    await device.see(foreignTemplate);
    return printed[0];
  }, file);
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
  await ended;
  return line;
}

beforeAll(async () => {
  stand = await HubUnderTest.start();
  directory = await mkdtemp(join(tmpdir(), 'sightline-examples-'));
  device = await RawDevice.connect(await stand.client.createDevice({ id: 'gate-1', siteId: 'gate' }));
});
afterAll(async () => {
  await device.close();
  await stand.stop();
  await rm(directory, { recursive: true, force: true });
});

describe('the examples for a shell', () => {
  it('add a person, enrol, identify, verify and embed', async () => {
    const [photo, again, other] = await Promise.all([
      portrait('first.jpg', FIRST),
      portrait('again.jpg', AGAIN),
      portrait('other.jpg', OTHER),
    ]);
    const person = await json(rest.personSchema, 'create-person.sh', '{"name": "Bea"}');
    await json(rest.enrolledFaceSchema, 'enrol.sh', person.id, photo);
    const identified = await json(rest.identifyResponseSchema, 'identify.sh', again);
    expect(identified.faces).toMatchObject([{ outcome: 'identified', person: { name: 'Bea' } }]);

    const { faces } = await json(rest.embeddingsResponseSchema, 'embeddings.sh', photo, 'int8');
    const template = join(directory, 'template.json');
    await writeFile(template, JSON.stringify(faces[0]?.template));
    for (const reference of [`reference=@${photo}`, `personId=${person.id}`, `template=<${template}`]) {
      const same = await json(rest.verifyResponseSchema, 'verify.sh', again, reference, '1e-3');
      expect(same).toMatchObject({ outcome: 'matched', falseMatchRate: 1e-3 });
      const different = await json(rest.verifyResponseSchema, 'verify.sh', other, reference);
      expect(different).toMatchObject({ outcome: 'not-matched', falseMatchRate: 1e-4 });
    }
    // Enrolled twice, the same person would be ambiguous.
    expect((await stand.send('DELETE', `/v1/people/${person.id}`)).status).toBe(204);
  });

  it('print sightings as they are decided', async () => {
    const sighting = rest.sightingSchema.parse(JSON.parse(await firstLine('live-sightings.sh')));
    expect(sighting).toMatchObject({ deviceId: 'gate-1', decision: { outcome: 'refused' } });
  });

  it('fail with a problem document where the key is wrong', async () => {
    const { code, out } = await run('create-person.sh', ['{"name": "Eve"}'], 'wrong');
    expect(code).not.toBe(0);
    expect(rest.problemSchema.parse(JSON.parse(out)).code).toBe('ACCESS.UNAUTHENTICATED');
  });
});

describe('the examples for Node', () => {
  it('walk through everything, and leave nobody behind', async () => {
    const photos = await Promise.all([portrait('photo.jpg', FIRST), portrait('another.jpg', AGAIN)]);
    const before = await people();
    const { code, out, err } = await run('walkthrough.mjs', photos);
    expect([code, err]).toEqual([0, '']);
    expect(out.trim().split('\n')).toEqual([
      expect.stringMatching(/^enrolled with quality 0\.\d\d$/),
      expect.stringMatching(/^identify: identified \w+ 0\.\d{3}$/),
      'embeddings: 1 face, 512 components',
      expect.stringMatching(/^verify with reference: matched, 0\.\d{3} against 0\.\d{3}$/),
      expect.stringMatching(/^verify with personId: matched, /),
      expect.stringMatching(/^verify with template: matched, /),
    ]);
    expect(await people()).toBe(before);
  });

  it('say what was wrong with a photo', async () => {
    const group = samplePhotos()[0] ?? '';
    const { code, err } = await run('walkthrough.mjs', [group, group]);
    expect(code).toBe(1);
    expect(err).toMatch(/^ENROLMENT\.SEVERAL_FACES: The photo shows 3 faces/);
  });

  it('print sightings as they are decided', async () => {
    expect(await firstLine('live-sightings.mjs')).toMatch(/^\d{4}-.* gate-1\/door refused/);
  });

  const people = async () => rest.personPageSchema.parse((await stand.send('GET', '/v1/people')).body).items.length;
});
