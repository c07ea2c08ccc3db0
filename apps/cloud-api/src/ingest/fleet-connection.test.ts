import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startWith } from '../start-cloud-api.js';
import { fakeReleaseSource } from '../testing/fake-release.js';
import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
  await cloud.api.stop();
});
afterAll(() => cloud.stop());

describe('a process of a group', () => {
  it('does not start on the embedded broker, which shares nothing out', async () => {
    const mqtt = { ...cloud.config.mqtt, shared: { group: 'ingest', instance: 'a' } };
    await expect(startWith({ ...cloud.config, mqtt }, fakeReleaseSource)).rejects.toMatchObject({
      code: 'MQTT.SUBSCRIPTION_REFUSED',
    });
  });
});
