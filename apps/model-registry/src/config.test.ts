import { isAppError, silentLogger, systemClock } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { configFromEnvironment } from './config.js';

const parts = { log: silentLogger, clock: systemClock };
const good = {
  SIGHTLINE_DATA_DIRECTORY: '/var/lib/sightline/registry',
  SIGHTLINE_MODEL_STORE_DIRECTORY: '/var/lib/sightline/models',
  SIGHTLINE_DATABASE_URL: 'postgres://sightline@db/sightline',
  SIGHTLINE_MQTT_URL: 'mqtts://broker:8883',
  SIGHTLINE_MQTT_USERNAME: 'model-registry',
  SIGHTLINE_MQTT_PASSWORD: 'a-password-that-nobody-must-see',
};

const keysNamed = (environment: Record<string, string | undefined>): unknown => {
  try {
    configFromEnvironment(environment, parts);
    return [];
  } catch (error) {
    if (!isAppError(error, 'CONFIG.INVALID')) throw error;
    expect(error.message).not.toContain(good.SIGHTLINE_MQTT_PASSWORD);
    return error.details.keys;
  }
};

describe('the configuration', () => {
  it('listens on the loopback address unless it is told otherwise', () => {
    expect(configFromEnvironment(good, parts)).toMatchObject({ host: '127.0.0.1', port: 8081 });
  });

  it('names every bad key at once, and no value', () => {
    const environment = { ...good, SIGHTLINE_PORT: '70000', SIGHTLINE_MQTT_URL: 'http://x', SIGHTLINE_HOST: '0.0.0.0' };
    expect(keysNamed({ ...environment, SIGHTLINE_DATABASE_URL: undefined })).toEqual([
      'SIGHTLINE_PORT',
      'SIGHTLINE_DATABASE_URL',
      'SIGHTLINE_MQTT_URL',
      'SIGHTLINE_PUBLIC_URL',
    ]);
  });

  it('must say which address devices reach it by when it listens for others', () => {
    expect(keysNamed({ ...good, SIGHTLINE_HOST: '0.0.0.0' })).toEqual(['SIGHTLINE_PUBLIC_URL']);
    expect(keysNamed({ ...good, SIGHTLINE_HOST: '0.0.0.0', SIGHTLINE_PUBLIC_URL: 'https://models.example' })).toEqual(
      [],
    );
  });
});
