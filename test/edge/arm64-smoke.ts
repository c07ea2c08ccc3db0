import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { releaseManifestSchema, type VerifiedBundle } from '@sightline/contracts';
import { startEdgeAgent } from '@sightline/edge-agent';
import { silentLogger, type Sha256, type TenantId } from '@sightline/kernel';
import { runSelfTest } from '@sightline/recognition';
import { templateKeyId } from '@sightline/template-protection';

import { oneRelease } from './one-release.js';

// Runs under emulation, see arm64.test.ts. Arguments: a folder with manifest.json, the models and photos/, and where
// the findings go.

const [, , folder = '', findingsPath = ''] = process.argv;
const manifest = releaseManifestSchema.parse(JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')));
const bundle: VerifiedBundle = {
  manifest,
  digest: 'a'.repeat(64) as Sha256,
  read: (target) => readFile(join(folder, target)),
};
const say = (what: string): void => console.error(`${Math.round(performance.now())} ms: ${what}`);
say('loaded');

const began = performance.now();
await runSelfTest(bundle);
const selfTestMs = performance.now() - began;
say('the self-test has passed');

const key = { secret: Buffer.alloc(32, 7), tenantId: 'acme' as TenantId, epoch: 1 };
const agent = await startEdgeAgent(
  {
    dataDirectory: join(folder, 'data'),
    provisioning: {
      ...{ tenantId: 'acme', deviceId: 'box', siteId: 'main' },
      // Nobody listens there: the box records.
      mqtt: { url: 'mqtt://127.0.0.1:1', username: 'acme/box', password: 'none' },
      templateKey: { keyId: templateKeyId(key), epoch: key.epoch, secret: key.secret.toString('base64') },
      release: { repositoryUrl: 'http://127.0.0.1:1', trustedRoot: 'e30=' },
    },
    cameras: [{ id: 'cam-1', source: { kind: 'folder', directory: join(folder, 'photos'), framesPerSecond: 120 } }],
    sighting: { confirmAfterFrames: 1, openAfterShots: 1 },
    stopTimeoutMs: 120_000,
  },
  {
    log: silentLogger,
    selfTest: async () => undefined,
    releases: oneRelease(bundle),
  },
);
say('the agent runs');
while (agent.status().cameras.some(({ state }) => state === 'waiting' || state === 'running')) await sleep(200);
const { cameras, release, outbox } = agent.status();
say('the camera has ended');
await agent.stop();
const [camera] = cameras;
const findings = {
  architecture: process.arch,
  selfTestMs: Math.round(selfTestMs),
  provider: release?.provider,
  state: camera?.state,
  frames: camera?.frames,
  failedFrames: camera?.failedFrames,
  sightings: camera?.sightings,
  records: outbox.nextSequence - 1,
};
await writeFile(findingsPath, JSON.stringify(findings));
// Connections to nobody are tried for ever.
process.exit(0);
