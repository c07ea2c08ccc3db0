import { silentLogger, systemClock } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { configFromEnvironment } from './config.js';

const parts = { log: silentLogger, clock: systemClock };
const good = {
  SIGHTLINE_DATABASE_URL: 'postgres://u:p@localhost:5432/db',
  SIGHTLINE_MQTT_URL: 'mqtt://localhost:1883',
  SIGHTLINE_MQTT_USERNAME: 'cloud-api',
  SIGHTLINE_MQTT_PASSWORD: 'secret',
  SIGHTLINE_REPOSITORY_URL: 'http://localhost:8090/repository',
  SIGHTLINE_TRUSTED_ROOT: Buffer.from('{}').toString('base64'),
  SIGHTLINE_DATA_DIRECTORY: '/var/lib/sightline',
  SIGHTLINE_KEY_ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64'),
};

describe('the configuration', () => {
  it('is read from the environment, with defaults', () => {
    expect(configFromEnvironment(good, parts)).toMatchObject({
      port: 8080,
      tenantId: 'default',
      falseMatchRate: 1e-4,
      keyEncryptionKey: new Uint8Array(32).fill(1),
    });
  });

  it('names every bad key at once, and no value', () => {
    const bad = {
      ...good,
      SIGHTLINE_PORT: '70000',
      SIGHTLINE_DATABASE_URL: 'mysql://hunter2@x/y',
      SIGHTLINE_KEY_ENCRYPTION_KEY: Buffer.alloc(16).toString('base64'),
      SIGHTLINE_MQTT_USERNAME: undefined,
    };
    const keys = [
      'SIGHTLINE_PORT',
      'SIGHTLINE_DATABASE_URL',
      'SIGHTLINE_MQTT_USERNAME',
      'SIGHTLINE_KEY_ENCRYPTION_KEY',
    ];
    expect(() => configFromEnvironment(bad, parts)).toThrow(
      expect.objectContaining({ code: 'CONFIG.INVALID', details: { keys } }),
    );
    expect(() => configFromEnvironment(bad, parts)).not.toThrow(/hunter2/);
  });

  it('lets webhooks into private networks only where that is said', () => {
    const webhooksOf = (said?: string) =>
      configFromEnvironment({ ...good, SIGHTLINE_WEBHOOK_PRIVATE_NETWORKS: said }, parts).webhooks;
    expect([webhooksOf(), webhooksOf('true')]).toEqual([{ privateNetworks: false }, { privateNetworks: true }]);
    expect(() => webhooksOf('yes')).toThrow(
      expect.objectContaining({ details: { keys: ['SIGHTLINE_WEBHOOK_PRIVATE_NETWORKS'] } }),
    );
  });

  it('shares the fleet out only with a group and an instance', () => {
    expect(configFromEnvironment(good, parts).mqtt.shared).toBeUndefined();
    const group = { ...good, SIGHTLINE_MQTT_SHARED_GROUP: 'ingest' };
    expect(() => configFromEnvironment(group, parts)).toThrow(
      expect.objectContaining({ details: { keys: ['SIGHTLINE_INSTANCE'] } }),
    );
    const whole = { ...group, SIGHTLINE_INSTANCE: 'cloud-api-0' };
    expect(configFromEnvironment(whole, parts).mqtt.shared).toEqual({ group: 'ingest', instance: 'cloud-api-0' });
  });
});
