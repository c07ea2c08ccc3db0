import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { testProvisioning } from '../testing/fixtures.js';
import { TestLog } from '../testing/test-log.js';
import { parseEdgeAgentConfig } from './config.js';
import { claimDataDirectory, lockDataDirectory } from './data-directory-lock.js';
import { loadEdgeAgentConfig } from './load-config.js';

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

  it('takes video sources with their limits, zones and regions, and paths from the file’s own folder', () => {
    write('box.json', provisioning);
    const zone = [
      { x: 0, y: 0 },
      { x: 1, y: 0 },
      { x: 0.5, y: 1 },
    ];
    const videos = [
      { id: 'door', source: { kind: 'rtsp', url: 'rtsp://jo:pw@10.0.0.9/live' }, privacyZones: [zone] },
      { id: 'hall', source: { kind: 'mjpeg', url: 'https://10.0.0.8/video', maximumWidth: 640 } },
      { id: 'desk', source: { kind: 'v4l2', device: '/dev/video0' }, regionOfInterest: zone },
      {
        id: 'film',
        source: { kind: 'file', path: 'film.mp4', loop: true },
        regionOfInterest: { x: 0.5, y: 0, width: 0.5, height: 1 },
      },
    ];
    const path = write('agent.json', { dataDirectory: 'data', provisioningFile: 'box.json', cameras: videos });
    const config = loadEdgeAgentConfig(path, {}, silentLogger);
    expect(config.cameras.map(({ source }) => source)).toMatchObject([
      { transport: 'tcp', maximumFramesPerSecond: 10, maximumWidth: 1280, rotateDegrees: 0, stallAfterMs: 10_000 },
      { maximumWidth: 640, maximumHeight: 1280 },
      { device: '/dev/video0' },
      { path: join(directory, 'film.mp4'), loop: true },
    ]);
    expect(config.cameras.map(({ regionOfInterest }) => regionOfInterest)).toEqual([
      undefined,
      undefined,
      zone,
      [
        { x: 0.5, y: 0 },
        { x: 1, y: 0 },
        { x: 1, y: 1 },
        { x: 0.5, y: 1 },
      ],
    ]);
    expect(parseEdgeAgentConfig(config)).toEqual(config);
  });

  it('names every bad key of a camera, and none of its secrets', () => {
    const camera = {
      id: 'door',
      source: {
        kind: 'rtsp',
        url: 'http://jo:hunter2@h',
        maximumFramesPerSecond: 0,
        rotateDegrees: 45,
        transport: 'x',
      },
      privacyZones: [[{ x: 2, y: 0 }]],
      regionOfInterest: { x: 0.6, y: 0, width: 0.6, height: 1 },
    };
    const parse = (): unknown => parseEdgeAgentConfig({ dataDirectory: 'x', provisioning, cameras: [camera] });
    for (const key of ['url', 'maximumFramesPerSecond', 'rotateDegrees', 'transport']) {
      expect(parse).toThrow(`cameras.0.source.${key}: `);
    }
    expect(parse).toThrow('cameras.0.privacyZones.0');
    expect(parse).toThrow('cameras.0.regionOfInterest');
    expect(parse).not.toThrow('hunter2');
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

describe('whose a data directory is', () => {
  it('is written down once, and another identity is refused', async () => {
    const log = new TestLog();
    const box = { tenantId: 'acme', deviceId: 'door-1' };
    await claimDataDirectory(directory, box, log);
    await claimDataDirectory(directory, box, log);
    for (const other of [
      { ...box, tenantId: 'globex' },
      { ...box, deviceId: 'door-2' },
    ]) {
      const code = 'PROVISIONING.OTHER_IDENTITY';
      await expect(claimDataDirectory(directory, other, log)).rejects.toMatchObject({ code });
    }
    expect(log.codes).toEqual([]);
  });

  it('is nothing that keeps a box from recording when it cannot be written down', async () => {
    const log = new TestLog();
    const unwritable = join(directory, 'a-file');
    writeFileSync(unwritable, '');
    await claimDataDirectory(unwritable, { tenantId: 'acme', deviceId: 'door-1' }, log);
    expect(log.lines).toHaveLength(1);
  });
});
