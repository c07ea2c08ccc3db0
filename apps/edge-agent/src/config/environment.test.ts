import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { testProvisioning } from '../testing/fixtures.js';
import { loadConfiguration } from './load-config.js';
import { originsOf } from './origins.js';
import { configurationJsonSchema, environmentSettings } from './settings.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-environment-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const mqtt = { url: 'mqtt://localhost', username: 'acme/door-1', password: 'not to be seen' };
const cameras = [{ id: 'cam-1', source: { kind: 'rtsp', url: 'rtsp://jo:hidden@10.0.0.9/live' } }];

function load(environment: Record<string, string>, document: object = {}) {
  const path = join(directory, 'agent.json');
  const whole = { dataDirectory: 'data', provisioning: testProvisioning(mqtt), cameras, ...document };
  writeFileSync(path, JSON.stringify(whole));
  return loadConfiguration(path, environment, silentLogger);
}

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

describe('the environment', () => {
  it('has a variable of its own for every key', () => {
    const variables = environmentSettings().map(({ variable }) => variable);
    expect(new Set(variables).size).toBe(variables.length);
    expect(variables).toEqual(
      expect.arrayContaining([
        'SIGHTLINE_EDGE_DATA_DIRECTORY',
        'SIGHTLINE_EDGE_PROVISIONING_MQTT_PASSWORD',
        'SIGHTLINE_EDGE_MEMORY_MAXIMUM_MEGABYTES',
        'SIGHTLINE_EDGE_LOCAL_API_PORT',
      ]),
    );
  });

  it('wins over the file, in the type of its key', () => {
    const { config } = load(
      {
        SIGHTLINE_EDGE_RECOGNITION_PROVIDERS: 'cuda, cpu',
        SIGHTLINE_EDGE_DELIVERY_MAXIMUM_WINDOW: '9',
        SIGHTLINE_EDGE_LOCAL_API_ENABLED: 'false',
        SIGHTLINE_EDGE_SIGHTING: '{"bestShots": 5}',
        SIGHTLINE_EDGE_SIGHTING_CLOSE_AFTER_MS: '700',
        OTHER: 'ignored',
      },
      { delivery: { maximumWindow: 2, maximumBatchRecords: 7 }, sighting: { minimumQuality: 0.2 } },
    );
    expect(config).toMatchObject({
      recognition: { providers: ['cuda', 'cpu'] },
      delivery: { maximumWindow: 9, maximumBatchRecords: 7 },
      localApi: { enabled: false },
      sighting: { bestShots: 5, closeAfterMs: 700 },
    });
  });

  it('takes secrets from files', () => {
    const secret = file('password', 'from a file\n');
    const { config } = load({ SIGHTLINE_EDGE_PROVISIONING_MQTT_PASSWORD_FILE: secret });
    expect(config.provisioning.mqtt.password).toBe('from a file');
  });

  it('is refused with everything that is wrong with it and with the file, and no value', () => {
    const load2 = (): unknown =>
      load(
        {
          SIGHTLINE_EDGE_DELIVERY_MAXIMUM_WINDOW: 'many',
          SIGHTLINE_EDGE_MAXIMUM_WINDOW: '9',
          SIGHTLINE_EDGE_PROVISIONING_MQTT_PASSWORD: 'in the open',
          SIGHTLINE_EDGE_PROVISIONING_MQTT_PASSWORD_FILE: file('p', 'in a file'),
          SIGHTLINE_EDGE_CAMERAS_FILE: join(directory, 'gone.json'),
          SIGHTLINE_EDGE_OUTBOX: '{in the open',
        },
        { sighting: { bestShots: 99 } },
      );
    expect(load2).toThrow(
      expect.objectContaining({
        code: 'CONFIG.INVALID',
        details: {
          keys: [
            'SIGHTLINE_EDGE_DELIVERY_MAXIMUM_WINDOW',
            'SIGHTLINE_EDGE_MAXIMUM_WINDOW',
            'SIGHTLINE_EDGE_PROVISIONING_MQTT_PASSWORD_FILE',
            'SIGHTLINE_EDGE_CAMERAS_FILE',
            'SIGHTLINE_EDGE_OUTBOX',
            'sighting.bestShots',
          ],
        },
      }),
    );
    expect(load2).not.toThrow(/in the open|in a file/);
  });

  it('shows where each value comes from, secrets masked', () => {
    const { config, layers } = load({ SIGHTLINE_EDGE_OUTBOX_GROUP_SIZE: '50' }, { delivery: { maximumWindow: 2 } });
    const shown = originsOf(config, layers, new Map([['sighting.bestShots', 7]]));
    const lines = new Map(shown.map((value) => [value.key, value]));
    expect(lines.get('outbox.groupSize')).toMatchObject({ shown: '50', origin: 'SIGHTLINE_EDGE_OUTBOX_GROUP_SIZE' });
    expect(lines.get('delivery.maximumWindow')).toMatchObject({ shown: '2', origin: 'file' });
    expect(lines.get('delivery.maximumBatchBytes')).toMatchObject({ origin: 'default' });
    expect(lines.get('sighting.bestShots')).toMatchObject({ shown: '7', origin: 'desired by the cloud' });
    expect(lines.get('cameras.0.source.url')).toMatchObject({ shown: 'rtsp://…@10.0.0.9/live', origin: 'file' });
    const { password } = mqtt;
    const { secret } = testProvisioning(mqtt).templateKey;
    for (const hidden of [password, secret, 'hidden']) expect(JSON.stringify(shown)).not.toContain(hidden);
  });

  it('is described by a JSON Schema', () => {
    expect(configurationJsonSchema()).toMatchObject({
      title: 'Sightline edge agent',
      properties: { memory: { properties: { maximumMegabytes: { default: 450 } } }, provisioningFile: {} },
    });
  });
});
