import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DesiredConfigSchema,
  DeviceBirthSchema,
  DeviceStatusSchema,
  FieldStatus,
  ReportedStateSchema,
  topicOf,
  type DesiredConfig,
  type rest,
} from '@sightline/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { startTestDevice, until, type TestDevice } from '../testing/test-device.js';

let cloud: TestCloud;
let device: TestDevice;
const configs: { readonly config: DesiredConfig; readonly retained: boolean }[] = [];

beforeAll(async () => {
  cloud = await startTestCloud();
  device = await startTestDevice(cloud, 'box-1');
  await device.connection.subscribe(topicOf(device.address, 'desired/config'), async ({ payload, retained }) => {
    configs.push({ config: fromBinary(DesiredConfigSchema, payload), retained });
  });
});
afterAll(() => cloud.stop());

const birth = (sessionId: string) =>
  device.publish(
    toBinary(
      DeviceBirthSchema,
      create(DeviceBirthSchema, {
        ...{ schemaVersion: 1, sessionId, agentVersion: '0.1.0', provider: 'cpu' },
        running: { version: '1.0.0', digest: 'ab'.repeat(32), modelSpace: 'space' },
      }),
    ),
    'birth',
  );
const status = (sessionId: string, online: boolean) =>
  device.publish(
    toBinary(DeviceStatusSchema, create(DeviceStatusSchema, { schemaVersion: 1, sessionId, online })),
    'status',
  );

async function shown(): Promise<rest.Device | undefined> {
  return (await cloud.request({ url: '/v1/devices' })).json<rest.DevicePage>().items.find(({ id }) => id === 'box-1');
}
const eventually = (fits: (device: rest.Device) => boolean, what: string) =>
  until(async () => {
    const found = await shown();
    return found !== undefined && fits(found) ? found : undefined;
  }, what);

describe('the fleet', () => {
  it('finds its desired configuration retained, and again after each birth', async () => {
    const first = await until(() => configs[0], 'the retained document');
    expect(first).toMatchObject({ retained: true, config: { version: 1n, siteId: 'lobby' } });
    await birth('s1');
    const second = await until(() => configs[1], 'the document after the birth');
    expect(second.config.version).toBe(1n);
  });

  it('is shown as it was born', async () => {
    const found = await eventually(({ online }) => online, 'the birth');
    expect(found).toMatchObject({
      agentVersion: '0.1.0',
      provider: 'cpu',
      release: { version: '1.0.0', modelSpace: 'space' },
    });
    expect(found.lastSeenAt).not.toBeNull();
    expect(found.releaseUpdate).toBeNull();
  });

  it('is not dead because an older session died', async () => {
    await birth('s2');
    await status('s1', false);
    await status('s2', true);
    await birth('s2');
    const seen = configs.length;
    await birth('s2');
    await until(() => (configs.length > seen ? true : undefined), 'the answer to a later message');
    expect((await shown())?.online).toBe(true);
    await status('s2', false);
    await eventually(({ online }) => !online, 'the death of the last session');
  });

  it('stays dead when a birth of the session is stored after its death', async () => {
    await birth('s3');
    await eventually(({ online }) => online, 'the birth');
    await status('s3', false);
    await eventually(({ online }) => !online, 'the death');
    const seen = configs.length;
    await birth('s3');
    await until(() => (configs.length > seen ? true : undefined), 'the answer to the birth');
    expect((await shown())?.online).toBe(false);
    await birth('s4');
    await eventually(({ online }) => online, 'the next session');
  });

  it('keeps what it reports, and survives what cannot be read', async () => {
    await device.publish(new Uint8Array([255, 255, 255]), 'state/reported');
    const state = create(ReportedStateSchema, {
      ...{ schemaVersion: 1, configVersionSeen: 1n, configStatus: FieldStatus.APPLIED, provider: 'cuda' },
      ...{ releaseVersionSeen: 4n, releaseStatus: FieldStatus.FAILED, releaseError: 'RELEASE.CORRUPT' },
    });
    await device.publish(toBinary(ReportedStateSchema, state), 'state/reported');
    const found = await eventually(({ provider }) => provider === 'cuda', 'the reported state');
    expect(found.releaseUpdate).toEqual({ status: 'failed', error: 'RELEASE.CORRUPT' });
    const { rows } = await cloud.api.database.pool.query('SELECT * FROM cloud.device');
    expect(rows[0]).toMatchObject({
      config_status: 'applied',
      release_status: 'failed',
      release_error: 'RELEASE.CORRUPT',
    });
  });
});
