import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import type { rest } from '@sightline/contracts';
import { silentLogger, systemClock } from '@sightline/kernel';
import { ReleaseClient } from '@sightline/release-trust';
import { prepareEdgeProcess, type RunningEdge } from '@sightline/standalone';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { HubUnderTest } from './hub-under-test.js';
import { portrait } from './photos.js';
import { until } from './until.js';

const EDGE_LOG = 'edge-agent.log';

const changeOneByte = (bytes: Buffer): Buffer => {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(changed.readUInt8(changed.length >> 1) ^ 1, changed.length >> 1);
  return changed;
};
const truncate = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length >> 1);

describe('a model file that is damaged', () => {
  const downloads = mkdtempSync(join(tmpdir(), 'sightline-damaged-models-'));
  let stand: HubUnderTest;
  let good: Buffer;
  let person: rest.Person;
  let provisioning: rest.Provisioning;
  let edge: RunningEdge | undefined;

  beforeAll(async () => {
    [stand, good] = await Promise.all([HubUnderTest.start(), portrait()]);
    person = await stand.client.createPerson({ name: 'Ada' });
    await stand.client.enrolFace(person.id, good);
    provisioning = await stand.client.createDevice({ id: 'box-1', siteId: 'gate' });
  });

  afterAll(async () => {
    await edge?.process.stop();
    await stand.stop();
    rmSync(downloads, { recursive: true, force: true });
  });

  it.each([
    ['changed by one byte', changeOneByte],
    ['truncated', truncate],
  ])('(%s) in the registry is refused with RELEASE.CORRUPT, and accepted once it is whole', async (name, damage) => {
    const path = await embedderIn(stand.workspace.path('model-registry/repository/targets/models'));
    const whole = await readFile(path);
    await writeFile(path, damage(whole));
    const { repositoryUrl, trustedRoot } = provisioning.release;
    const client = new ReleaseClient({
      repositoryUrl,
      directory: join(downloads, name),
      trustedRoot: Buffer.from(trustedRoot, 'base64'),
      clock: systemClock,
      download: { fruitlessAttempts: 2, backoff: { baseMs: 10, capMs: 20 } },
    });
    await expect(client.download()).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
    await expectHubWorks();
    await writeFile(path, whole);
    const { manifest } = await client.download();
    expect(manifest.version).toBe('1.0.0');
  });

  it('on a box is refused at its next start, and replaced by another download', async () => {
    edge = await prepareEdgeProcess(stand.workspace, stand.client, { seed: 7, loop: true, log: silentLogger });
    const { process: agent, outboxPath } = edge;
    agent.start();
    const [box] = (await stand.client.devices()).filter(({ id }) => id !== provisioning.deviceId);
    const boxId = box?.id ?? '';
    await untilSightingSince(boxId, 0);

    const path = await embedderIn(join(outboxPath, '../releases/blobs'));
    await writeFile(path, changeOneByte(await readFile(path)));
    const damagedAt = Date.now();
    process.kill(agent.pid ?? 0, 'SIGKILL');

    await stand.untilLogged('RELEASE.CORRUPT', 0, EDGE_LOG);
    await untilSightingSince(boxId, damagedAt);
    expect(sha256(await readFile(path))).toBe(basename(path));
    expect(agent.restarts).toBe(1);
    await expectHubWorks();
  });

  async function expectHubWorks(): Promise<void> {
    expect((await stand.identify(good)).faces).toMatchObject([{ outcome: 'identified', person: { id: person.id } }]);
    expect(stand.hub.process.restarts).toBe(0);
  }

  /** A sighting that began later than `sinceMs`: the box recognises. */
  async function untilSightingSince(deviceId: string, sinceMs: number): Promise<void> {
    const find = async () =>
      (await stand.sightingsOf(deviceId)).find(({ firstSeenAt }) => Date.parse(firstSeenAt) > sinceMs);
    await until(find, 'a sighting of the box');
  }
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The largest file below a directory of models: the embedder. */
async function embedderIn(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const sizes = await Promise.all(paths.map(async (path) => ({ path, bytes: (await stat(path)).size })));
  const largest = sizes.sort((a, b) => b.bytes - a.bytes).at(0);
  if (largest === undefined) throw new Error('there is no model');
  return largest.path;
}
