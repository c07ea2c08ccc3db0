import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { testProvisioning } from '../testing/fixtures.js';
import { TestLog } from '../testing/test-log.js';
import { loadEdgeAgentConfig, parseEdgeAgentConfig } from './config.js';
import { lockDataDirectory } from './data-directory-lock.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-config-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const provisioning = testProvisioning({ url: 'mqtt://localhost', username: 'acme/door-1', password: 'secret' });
const cameras = [{ id: 'cam-1', source: { kind: 'folder', directory: 'pictures' } }];

function write(name: string, document: unknown, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, typeof document === 'string' ? document : JSON.stringify(document));
  chmodSync(path, mode);
  return path;
}

describe('the configuration', () => {
  it('takes defaults, and paths from the file’s own folder', () => {
    write('box.json', provisioning);
    const path = write('agent.json', { dataDirectory: 'data', provisioningFile: 'box.json', cameras });
    const config = loadEdgeAgentConfig(path, {}, silentLogger);
    expect(config.dataDirectory).toBe(join(directory, 'data'));
    expect(config.provisioning).toEqual(provisioning);
    expect(config.cameras[0]?.source).toEqual({
      kind: 'folder',
      directory: join(directory, 'pictures'),
      loop: false,
      framesPerSecond: 5,
    });
    expect(config).toMatchObject({
      whenSourcesEnd: 'idle',
      sighting: { bestShots: 3 },
      delivery: { maximumWindow: 4 },
    });
    // A parsed configuration is a valid one.
    expect(parseEdgeAgentConfig(config)).toEqual(config);
  });

  it('lets the environment win over the file', () => {
    const file = write('box.json', provisioning);
    const path = write('agent.json', {
      dataDirectory: 'data',
      provisioningFile: 'gone.json',
      logLevel: 'info',
      cameras,
    });
    const environment = {
      SIGHTLINE_EDGE_PROVISIONING_FILE: file,
      SIGHTLINE_EDGE_LOG_LEVEL: 'warn',
      SIGHTLINE_EDGE_DATA_DIRECTORY: '/var/lib/sightline',
      SIGHTLINE_EDGE_WHEN_SOURCES_END: 'exit',
    };
    expect(loadEdgeAgentConfig(path, environment, silentLogger)).toMatchObject({
      logLevel: 'warn',
      dataDirectory: '/var/lib/sightline',
      whenSourcesEnd: 'exit',
    });
  });

  it('names every bad key', () => {
    const bad = {
      dataDirectory: '',
      provisioning: { ...provisioning, tenantId: 'No Slug' },
      cameras: [{ id: 'cam-1', source: { kind: 'webcam' } }, ...cameras],
      sighting: { bestShots: 99 },
      surprise: 1,
    };
    const thrown = (() => {
      try {
        return parseEdgeAgentConfig(bad);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toMatchObject({ code: 'CONFIG.INVALID' });
    for (const key of ['dataDirectory', 'tenantId', 'source', 'bestShots', 'surprise']) {
      expect((thrown as Error).message).toContain(key);
    }
  });

  it('refuses two cameras of one id, and a file that is no JSON, without quoting it', () => {
    const twice = { dataDirectory: 'x', provisioning, cameras: [...cameras, ...cameras] };
    expect(() => parseEdgeAgentConfig(twice)).toThrow(/camera ids must differ/);
    const path = write('agent.json', '{"password": "hunter2"');
    expect(() => loadEdgeAgentConfig(path, {}, silentLogger)).toThrow(/cannot be read as JSON/);
  });

  it('warns when others can read the secrets', () => {
    write('box.json', provisioning, 0o644);
    const path = write('agent.json', { dataDirectory: 'data', provisioningFile: 'box.json', cameras });
    const log = new TestLog();
    loadEdgeAgentConfig(path, {}, log);
    expect(log.codes).toEqual(['CONFIG.SECRET_READABLE']);
  });
});

describe('the lock of a data directory', () => {
  it('keeps a second agent out until it is given back', async () => {
    const nested = join(directory, 'not', 'there', 'yet');
    const unlock = await lockDataDirectory(nested);
    await expect(lockDataDirectory(nested)).rejects.toMatchObject({ code: 'AGENT.ALREADY_RUNNING' });
    await unlock();
    const again = await lockDataDirectory(nested);
    await again();
    expect(existsSync(join(nested, 'agent.lock'))).toBe(false);
  });
});
