import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { releaseManifestSchema } from '@sightline/contracts';
import { systemClock, type Clock } from '@sightline/kernel';

import { ReleaseClient, type ReleaseClientOptions } from '../release-client.js';
import { sha256Of } from '../sha256.js';
import {
  createReleaseRepository,
  ReleaseRepository,
  type NewRelease,
  type PublishedRelease,
} from '../signing/release-repository.js';
import { openDemoKeys, type RepositoryKeys } from '../signing/role-keys.js';
import { modelTarget } from '../targets-layout.js';
import { FileServer } from './file-server.js';

/** A clock that a test can move ahead. Its sleeps are real. */
export interface ShiftedClock extends Clock {
  advance(ms: number): void;
}

export function shiftedClock(): ShiftedClock {
  let offset = 0;
  return {
    ...systemClock,
    wallMs: () => systemClock.wallMs() + offset,
    advance: (ms) => {
      offset += ms;
    },
  };
}

/** Random bytes in place of models: release-trust never looks inside. */
export async function fakeRelease(folder: string, version: string, bytes = 200_000): Promise<NewRelease> {
  await mkdir(folder, { recursive: true });
  const files = new Map<string, string>();
  const addFile = async (task: 'detector' | 'landmarks' | 'embedder') => {
    const name = `${task}.onnx`;
    const content = randomBytes(bytes);
    const sha256 = sha256Of(content);
    const path = join(folder, `${version}-${name}`);
    await writeFile(path, content);
    files.set(modelTarget(task, sha256, name), path);
    const provenance = { name, source: 'random', licence: 'CC0-1.0', trainingData: 'none' };
    return { target: modelTarget(task, sha256, name), sha256, bytes, provenance };
  };
  const input = { width: 112, height: 112, channels: 'bgr', mean: [127], scale: [128] };
  const embedder = await addFile('embedder');
  const manifest = releaseManifestSchema.parse({
    formatVersion: 1,
    version,
    createdAt: '2026-01-01T00:00:00Z',
    modelSpace: { id: 'fixture-4', dimension: 4 },
    detector: {
      ...(await addFile('detector')),
      spec: { decoder: 'ssd-decoded', input, scoreThreshold: 0.65, nmsThreshold: 0.4 },
    },
    landmarks: {
      ...(await addFile('landmarks')),
      spec: { decoder: 'points-68', input, crop: { scale: 1, down: 0 } },
    },
    embedder: {
      ...embedder,
      spec: {
        input,
        dimension: 4,
        alignmentTemplate: [
          [38, 52],
          [74, 52],
          [56, 72],
          [42, 92],
          [71, 92],
        ],
      },
    },
    calibration: {
      variantDigest: embedder.sha256,
      dataSet: 'fixture',
      impostorPairs: 1000,
      points: [
        { falseMatchRate: 0.01, threshold: 0.2 },
        { falseMatchRate: 0.001, threshold: 0.3 },
      ],
    },
    selfTest: {
      seed: 1,
      detector: { values: [0], tolerance: 0.01 },
      landmarks: { values: [0], tolerance: 0.01 },
      embedding: { values: [1, 0, 0, 0], minimumCosine: 0.99 },
    },
  });
  return { manifestBytes: Buffer.from(JSON.stringify(manifest)), files, channel: 'default' };
}

/** A signed repository on disk, a server over it, and clients of it. */
export class ReleaseFixture {
  readonly clock = shiftedClock();
  readonly folder: string;
  readonly server: FileServer;
  readonly keys: RepositoryKeys;
  readonly repository: ReleaseRepository;
  readonly trustedRoot: Buffer;

  private constructor(folder: string, server: FileServer, keys: RepositoryKeys, trustedRoot: Buffer) {
    this.folder = folder;
    this.server = server;
    this.keys = keys;
    this.repository = new ReleaseRepository({ directory: this.repositoryDirectory, clock: this.clock }, keys);
    this.trustedRoot = trustedRoot;
  }

  static async create(): Promise<ReleaseFixture> {
    const folder = await mkdtemp(join(tmpdir(), 'sightline-release-'));
    const keys = await openDemoKeys(join(folder, 'keys'));
    const directory = join(folder, 'repository');
    await createReleaseRepository({ directory, clock: systemClock }, keys);
    const trustedRoot = await new ReleaseRepository({ directory, clock: systemClock }, keys).trustedRoot();
    return new ReleaseFixture(folder, await new FileServer(directory).start(), keys, trustedRoot);
  }

  get repositoryDirectory(): string {
    return join(this.folder, 'repository');
  }

  /** Where the client of that name keeps its releases. */
  deviceDirectory(name = 'device'): string {
    return join(this.folder, name);
  }

  async publish(version: string, bytes?: number): Promise<PublishedRelease> {
    const { state, ...release } = await this.repository.publish(
      await fakeRelease(join(this.folder, 'models'), version, bytes),
    );
    if (state !== 'published') throw new Error('the keys of the fixture do not suffice');
    return release;
  }

  client(options: Partial<ReleaseClientOptions> = {}): ReleaseClient {
    return new ReleaseClient({
      repositoryUrl: this.server.url,
      directory: this.deviceDirectory(),
      trustedRoot: this.trustedRoot,
      clock: this.clock,
      download: { backoff: { baseMs: 1, capMs: 5 }, stallMs: 500, fruitlessAttempts: 3 },
      ...options,
    });
  }

  async remove(): Promise<void> {
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
