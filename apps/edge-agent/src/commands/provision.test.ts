import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { rest } from '@sightline/contracts';
import { systemClock } from '@sightline/kernel';
import { createReleaseRepository, openDemoKeys, ReleaseRepository } from '@sightline/release-trust';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { testProvisioning } from '../testing/fixtures.js';
import { provision } from './provision.js';

let repository: string;
let trustedRoot: string;
let directory: string;

beforeAll(async () => {
  repository = mkdtempSync(join(tmpdir(), 'sightline-root-'));
  const options = { directory: join(repository, 'repository'), clock: systemClock };
  const keys = await openDemoKeys(join(repository, 'keys'));
  await createReleaseRepository(options, keys);
  trustedRoot = Buffer.from(await new ReleaseRepository(options, keys).trustedRoot()).toString('base64');
});
afterAll(() => rmSync(repository, { recursive: true, force: true }));

beforeEach(() => {
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
  directory = mkdtempSync(join(tmpdir(), 'sightline-provision-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true, force: true });
});

function document(changes: Partial<rest.Provisioning> = {}): string {
  // Nobody listens there.
  const base = testProvisioning({ url: 'mqtt://127.0.0.1:1', username: 'acme/door-1', password: 'secret' });
  const path = join(directory, 'device.json');
  writeFileSync(path, JSON.stringify({ ...base, release: { ...base.release, trustedRoot }, ...changes }));
  return path;
}

const options = (more: object = {}) => ({
  directory: join(directory, 'etc'),
  dataDirectory: join(directory, 'data'),
  offline: true,
  ...more,
});
const written = (name: string): string => join(directory, 'etc', name);

describe('provisioning', () => {
  it('writes the identity and a first configuration for its owner alone, and keeps a configuration that is there', async () => {
    await provision(document(), options());
    for (const name of ['provisioning.json', 'edge-agent.json'])
      expect(statSync(written(name)).mode & 0o777).toBe(0o600);
    writeFileSync(written('edge-agent.json'), '{"mine": true}');
    await provision(document({ siteId: 'other' }), options());
    expect(readFileSync(written('edge-agent.json'), 'utf8')).toBe('{"mine": true}');
    expect(readFileSync(written('provisioning.json'), 'utf8')).toContain('"siteId": "other"');
  });

  it('writes nothing when a key is not what its id names, a root is none, or the broker does not answer', async () => {
    const { templateKey, release } = testProvisioning({ url: 'mqtt://x', username: 'acme/door-1', password: 's' });
    const bad = document({
      templateKey: { ...templateKey, epoch: 2 },
      release: { ...release, trustedRoot: Buffer.from('{"signed": {}}').toString('base64') },
    });
    await expect(provision(bad, options())).rejects.toMatchObject({
      code: 'CONFIG.INVALID',
      details: { keys: ['provisioning.templateKey', 'provisioning.release.trustedRoot'] },
    });
    await expect(provision(document(), options({ offline: false }))).rejects.toMatchObject({
      code: 'PROVISIONING.BROKER_UNREACHABLE',
    });
    expect(existsSync(join(directory, 'etc'))).toBe(false);
  });

  it('sends a token over https alone, and keeps the key of a request that was not answered for the next try', async () => {
    const enrolment = { url: 'http://cloud.example', token: 'secret' };
    await expect(provision(document({ enrolment }), options({ offline: false }))).rejects.toMatchObject({
      code: 'CONFIG.INVALID',
      details: { keys: ['provisioning.enrolment'] },
    });
    expect(existsSync(join(directory, 'etc'))).toBe(false);
    // Nobody listens there.
    const cloudUrl = 'http://127.0.0.1:1';
    const tries = options({ offline: false, cloudUrl });
    const code = 'CERTIFICATE.UNREACHABLE';
    await expect(provision(document({ enrolment }), tries)).rejects.toMatchObject({ code });
    expect(statSync(written('device-key.pending.pem')).mode & 0o777).toBe(0o600);
    const kept = readFileSync(written('device-key.pending.pem'), 'utf8');
    await expect(provision(document({ enrolment }), tries)).rejects.toMatchObject({ code });
    expect(readFileSync(written('device-key.pending.pem'), 'utf8')).toBe(kept);
    expect(existsSync(written('provisioning.json'))).toBe(false);
  });

  it('refuses another identity unless forced, and then moves aside what the old one has recorded', async () => {
    await provision(document(), options());
    mkdirSync(join(directory, 'data'));
    writeFileSync(join(directory, 'data', 'outbox.db'), 'records');
    const other = { deviceId: 'door-2' };
    await expect(provision(document(other), options())).rejects.toMatchObject({ code: 'PROVISIONING.OTHER_IDENTITY' });
    await provision(document(other), options({ force: true }));
    expect(existsSync(join(directory, 'data'))).toBe(false);
    const [aside = ''] = readdirSync(directory).filter((name) => name.startsWith('data.door-1-'));
    expect(readFileSync(join(directory, aside, 'outbox.db'), 'utf8')).toBe('records');
  });

  it('moves aside the data directory that the configuration names', async () => {
    await provision(document(), options());
    mkdirSync(join(directory, 'elsewhere'));
    writeFileSync(
      join(options().directory, 'edge-agent.json'),
      JSON.stringify({ dataDirectory: join(directory, 'elsewhere') }),
    );
    await provision(document({ deviceId: 'door-2' }), options({ force: true }));
    expect(readdirSync(directory).filter((name) => name.startsWith('elsewhere.door-1-'))).toHaveLength(1);
    expect(existsSync(join(directory, 'elsewhere'))).toBe(false);
  });
});
