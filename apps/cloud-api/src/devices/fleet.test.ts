import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  CommandAckSchema,
  CommandSchema,
  CommandState,
  DesiredConfigSchema,
  DeviceHealthSchema,
  GapReason,
  HealthWindowSchema,
  RecordPayloadSchema,
  SightingAckSchema,
  SightingBatchSchema,
  DeviceBirthSchema,
  DeviceStatusSchema,
  FieldStatus,
  ReportedStateSchema,
  topicOf,
  type Channel,
  type Command,
  type DesiredConfig,
  type HealthWindow,
  type rest,
  type SightingAck,
} from '@sightline/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { momentAt, startTestDevice, until, type TestDevice } from '../testing/test-device.js';

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

describe('the desired configuration', () => {
  const url = '/v1/devices/box-1/desired-config';
  const shownConfig = async (): Promise<rest.DesiredConfig> =>
    (await cloud.request({ url })).json<rest.DesiredConfig>();
  const put = (payload: object) => cloud.request({ method: 'PUT', url, payload });

  it('is published whole with a new version, and shown beside what the box says of it, by field', async () => {
    const before = await shownConfig();
    expect(before).toMatchObject({ version: 1, siteId: 'lobby', settings: {}, changedAt: null });
    const settings = { sighting: { bestShots: 2 }, delivery: { maximumWindow: 8 } };
    const changed = await put({ siteId: 'gate', settings, basedOnVersion: 1 });
    expect(changed.json<rest.DesiredConfig>()).toMatchObject({ version: 2, siteId: 'gate', settings });
    const sent = await until(() => configs.find(({ config }) => config.version === 2n), 'the new document');
    expect(sent.config).toMatchObject({ siteId: 'gate', ...settings });
    const configErrors = [{ path: 'sighting.bestShots', message: 'Too big' }];
    const fields = { schemaVersion: 1, configVersionSeen: 2n, configError: 'CONFIG.INVALID', configErrors };
    const state = create(ReportedStateSchema, { ...fields, configStatus: FieldStatus.FAILED });
    await device.publish(toBinary(ReportedStateSchema, state), 'state/reported');
    const reported = await until(async () => {
      const { reported: said } = await shownConfig();
      return said?.version === 2 ? said : undefined;
    }, 'what the box says');
    expect(reported).toEqual({ version: 2, status: 'failed', error: 'CONFIG.INVALID', errors: configErrors });
    expect((await shown())?.siteId).toBe('gate');
    await put({ siteId: 'lobby', settings: {} });
    expect(await shownConfig()).toMatchObject({ version: 3, siteId: 'lobby', settings: {} });
  });

  it('is refused out of bounds, with anything that is no setting, and when it was changed meanwhile', async () => {
    const refused = async (payload: object): Promise<string> => (await put(payload)).json<rest.Problem>().code;
    expect(await refused({ settings: { sighting: { bestShots: 9 } } })).toBe('REQUEST.INVALID');
    expect(await refused({ settings: { mqtt: { password: 'secret' } } })).toBe('REQUEST.INVALID');
    expect(await refused({ settings: {}, templateKey: 'secret' })).toBe('REQUEST.INVALID');
    expect(await refused({ settings: {}, basedOnVersion: 1 })).toBe('DEVICE.CONFIG_CHANGED');
    const unknown = await cloud.request({ url: '/v1/devices/nobody/desired-config' });
    expect(unknown.json<rest.Problem>().code).toBe('DEVICE.NOT_FOUND');
    expect((await shownConfig()).version).toBe(3);
  });

  it('is described for programs, without credentials', async () => {
    const described = await cloud.request({ url: '/v1/asyncapi.json', headers: { authorization: '' } });
    expect(described.json<{ readonly asyncapi: string }>().asyncapi).toBe('3.0.0');
  });
});

const detail = async (): Promise<rest.DeviceDetail> =>
  (await cloud.request({ url: '/v1/devices/box-1' })).json<rest.DeviceDetail>();
const publish = (channel: Channel, payload: Uint8Array) =>
  device.connection.publish(topicOf(device.address, channel), payload);

describe('a box of the fleet', () => {
  it('is shown with what it could not keep: a gap is acknowledged, counted once, and grows', async () => {
    const gap = (first: number, last: number, lost: number) => ({
      sequence: last,
      payload: toBinary(
        RecordPayloadSchema,
        create(RecordPayloadSchema, {
          recordedAt: momentAt(performance.now()),
          body: {
            case: 'gap',
            value: {
              ...{ firstSequence: BigInt(first), lastSequence: BigInt(last), lostRecords: BigInt(lost) },
              reason: lost > 0 ? GapReason.DISK_FULL : GapReason.SUPERSEDED,
            },
          },
        }),
      ),
    });
    await device.send([gap(1, 4, 0), gap(5, 10, 6)]);
    const { cloudTimeMs } = await device.acked(10);
    expect(Math.abs(Number(cloudTimeMs) - Date.now())).toBeLessThan(60_000);
    expect((await detail()).delivery).toEqual({ gaps: 2, lostRecords: 6 });
    // The box dropped more meanwhile, and the place of its gap has a record already.
    await device.send([gap(1, 10, 8), gap(11, 12, 2)]);
    await device.acked(12);
    expect((await detail()).delivery).toEqual({ gaps: 2, lostRecords: 10 });
    expect((await cloud.request({ url: '/v1/devices/nobody' })).statusCode).toBe(404);
  });

  it('is shown as it was when it last said so, and what it counted, each window once', async () => {
    const acks: SightingAck[] = [];
    await device.connection.subscribe(topicOf(device.address, 'health/window/ack'), async ({ payload }) => {
      acks.push(fromBinary(SightingAckSchema, payload));
    });
    const cameras = [{ cameraId: 'door', state: 'running', frames: 9n, problem: 'CAPTURE.STALLED' }];
    const health = create(DeviceHealthSchema, { schemaVersion: 1, uptimeMs: 5n, outboxBacklog: 3n, cameras });
    await publish('health', toBinary(DeviceHealthSchema, health));
    const shownHealth = await until(async () => (await detail()).health ?? undefined, 'the snapshot');
    expect(shownHealth).toMatchObject({
      ...{ uptimeMs: 5, outboxBacklog: 3, outboxProblem: null },
      cameras: [{ cameraId: 'door', frames: 9, problem: 'CAPTURE.STALLED' }],
    });

    const now = performance.now() + 1_000_000;
    const window = (fields: Partial<Pick<HealthWindow, 'frames' | 'embedFailures'>>) =>
      toBinary(
        RecordPayloadSchema,
        create(RecordPayloadSchema, {
          recordedAt: momentAt(now),
          body: {
            case: 'healthWindow',
            value: create(HealthWindowSchema, {
              ...{ releaseDigest: 'ab'.repeat(32), startedAt: momentAt(now - 300_000), endedAt: momentAt(now) },
              ...fields,
            }),
          },
        }),
      );
    // The box's clock is wrong by years: the windows are dated by the cloud.
    const batch = create(SightingBatchSchema, {
      ...{ schemaVersion: 1, streamId: device.streamId, sentAt: momentAt(now, 0) },
      records: [
        { sequence: 1n, payload: window({ frames: 10n, embedFailures: 1n }) },
        { sequence: 2n, payload: Uint8Array.of(255) },
        { sequence: 3n, payload: window({ frames: 20n }) },
      ],
    });
    for (const count of [1, 2]) {
      await publish('health/window', toBinary(SightingBatchSchema, batch));
      await until(() => acks[count - 1], 'the acknowledgement');
    }
    expect(acks.map(({ committedThrough }) => committedThrough)).toEqual([3n, 3n]);
    const { items } = (await cloud.request({ url: '/v1/devices/box-1/health' })).json<rest.HealthWindowList>();
    expect(items.map(({ frames }) => frames)).toEqual([20, 10]);
    expect(items[1]).toMatchObject({ embedFailures: 1, releaseDigest: 'ab'.repeat(32) });
    const [newest] = items;
    expect(Math.abs(Date.parse(newest?.endedAt ?? '') - Date.now())).toBeLessThan(60_000);
    expect(Date.parse(newest?.endedAt ?? '') - Date.parse(newest?.startedAt ?? '')).toBe(300_000);
  });
});

describe('a command', () => {
  const commands: Command[] = [];
  const order = async (body: object): Promise<rest.Command> => {
    const response = await cloud.request({ method: 'POST', url: '/v1/devices/box-1/commands', payload: body });
    expect(response.statusCode).toBe(202);
    return response.json<rest.Command>();
  };
  const shownCommand = async (id: string): Promise<rest.Command> =>
    (await cloud.request({ url: `/v1/devices/box-1/commands/${id}` })).json<rest.Command>();
  const answer = (commandId: string, state: CommandState, figures: Record<string, number> = {}) =>
    publish('command/ack', toBinary(CommandAckSchema, create(CommandAckSchema, { commandId, state, figures })));
  const untilState = (id: string, state: rest.Command['state']) =>
    until(async () => ((await shownCommand(id)).state === state ? true : undefined), state);

  beforeAll(async () => {
    await device.connection.subscribe(topicOf(device.address, 'command'), async ({ payload }) => {
      commands.push(fromBinary(CommandSchema, payload));
    });
    await birth('c1');
    await eventually(({ online }) => online, 'the birth');
  });

  it('reaches a box that is there, for its session, and ends as the box says', async () => {
    const { id, state } = await order({ kind: 'restart-camera', cameraId: 'door' });
    expect(state).toBe('sent');
    const sent = await until(() => commands.find(({ commandId }) => commandId === id), 'the command');
    expect(sent).toMatchObject({ sessionId: 'c1', kind: { case: 'restartCamera', value: { cameraId: 'door' } } });
    expect(Number(sent.expiresAtMs - sent.issuedAtMs)).toBeLessThanOrEqual(300_000);
    await answer(id, CommandState.PROGRESS);
    await untilState(id, 'progress');
    await answer(id, CommandState.SUCCEEDED, { tries: 2 });
    await untilState(id, 'succeeded');
    // News that was overtaken changes nothing.
    await answer(id, CommandState.ACCEPTED);
    const next = await order({ kind: 'ping' });
    await answer(next.id, CommandState.REJECTED);
    await untilState(next.id, 'rejected');
    expect(await shownCommand(id)).toMatchObject({ state: 'succeeded', figures: { tries: 2 } });
  });

  it('waits for a box that is away, and is sent to its next session unless it has expired', async () => {
    await status('c1', false);
    await eventually(({ online }) => !online, 'the death');
    const late = await order({ kind: 'ping', validForSeconds: 1 });
    const waits = await order({ kind: 'collect-diagnostics' });
    expect([late.state, waits.state]).toEqual(['pending', 'pending']);
    await until(async () => ((await shownCommand(late.id)).state === 'expired' ? true : undefined), 'the end');
    await birth('c2');
    const sent = await until(() => commands.find(({ commandId }) => commandId === waits.id), 'the command');
    expect(sent.sessionId).toBe('c2');
    expect(commands.some(({ commandId }) => commandId === late.id)).toBe(false);
  });

  it('that makes no sense is refused', async () => {
    const refused = async (url: string, payload: object): Promise<number> =>
      (await cloud.request({ method: 'POST', url, payload })).statusCode;
    expect(await refused('/v1/devices/box-1/commands', { kind: 'self-destruct' })).toBe(400);
    expect(await refused('/v1/devices/box-1/commands', { kind: 'ping', cameraId: 'door' })).toBe(400);
    expect(await refused('/v1/devices/nobody/commands', { kind: 'ping' })).toBe(404);
    const unknown = '/v1/devices/box-1/commands/0190a5c8-0000-7000-8000-000000000001';
    expect((await cloud.request({ url: unknown })).json<rest.Problem>().code).toBe('COMMAND.NOT_FOUND');
  });

  it('ends when its box is revoked, which is told nothing more', async () => {
    const { id } = await order({ kind: 'ping' });
    const post = (action: string, payload: object) =>
      cloud.request({ method: 'POST', url: `/v1/devices/box-1/${action}`, payload });
    await post('revoke', { reason: 'stolen' });
    const ended = { state: 'failed', error: 'DEVICE.REVOKED', endedAt: expect.any(String) as string };
    expect(await shownCommand(id)).toMatchObject(ended);
    const refused = await post('commands', { kind: 'ping' });
    expect(refused.json()).toMatchObject({ status: 409, code: 'DEVICE.REVOKED' });
    // One that is let in again begins anew.
    await post('enrolment', {});
    expect((await order({ kind: 'ping' })).state).toBe('pending');
    expect(await shownCommand(id)).toMatchObject(ended);
  });
});
