import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  RecordPayloadSchema,
  SightingAckSchema,
  SightingBatchSchema,
  SightingPhase,
  topicOf,
  type DeviceAddress,
} from '@sightline/contracts';
import {
  newSightingId,
  newStreamId,
  type DeviceId,
  type SightingId,
  type StreamId,
  type TenantId,
} from '@sightline/kernel';
import { connectMqtt, type MqttConnection } from '@sightline/messaging';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { HubUnderTest } from '../bad-input/hub-under-test.js';
import { until } from '../bad-input/until.js';

const DAY_MS = 86_400_000;
/** Largest error of a date: the time on the way, on a busy machine. */
const TOLERANCE_MS = 5000;

/** A box whose clock says what the test wants, and whose monotonic clock goes on. */
class BoxWithClock {
  /** What is wrong with its clock, ms. */
  wallOffsetMs = 0;
  synchronised = false;
  readonly #address: DeviceAddress;
  readonly #connection: MqttConnection;
  readonly #streamId: StreamId = newStreamId();
  #boot = 1;
  #bootedMs = performance.now();
  #sequence = 0;
  #committedThrough = 0;
  #records: { readonly sequence: bigint; readonly payload: Uint8Array }[] = [];

  private constructor(address: DeviceAddress, connection: MqttConnection) {
    this.#address = address;
    this.#connection = connection;
  }

  static async connect(hub: HubUnderTest, id: string): Promise<BoxWithClock> {
    const provisioning = await hub.client.createDevice({ id, siteId: 'main' });
    const address = { tenantId: provisioning.tenantId as TenantId, deviceId: id as DeviceId };
    const { url, username, password } = provisioning.mqtt;
    const connection = await connectMqtt({ url, clientId: username, username, password });
    const box = new BoxWithClock(address, connection);
    await connection.subscribe(topicOf(address, 'sighting/ack'), async ({ payload }) => {
      box.#committedThrough = Number(fromBinary(SightingAckSchema, payload).committedThrough);
    });
    return box;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  boot(): void {
    this.#boot += 1;
    this.#bootedMs = performance.now();
  }

  moment(agoMs = 0) {
    return {
      bootId: `boot-${this.#boot}`,
      // A box that has run for days.
      monotonicMs: BigInt(Math.round(performance.now() - this.#bootedMs + 3 * DAY_MS - agoMs)),
      wallMs: BigInt(Math.round(Date.now() + this.wallOffsetMs - agoMs)),
      clockSynchronised: this.synchronised,
    };
  }

  /** Stores a sighting that lasted so long and ended so long ago. */
  record(firstSeen: ReturnType<BoxWithClock['moment']>, lastSeen = this.moment()): SightingId {
    const sightingId = newSightingId();
    const value = {
      ...{ sightingId, revision: 1, phase: SightingPhase.CLOSE, cameraId: 'door', firstSeenAt: firstSeen },
      ...{ lastSeenAt: lastSeen, releaseDigest: 'ab'.repeat(32), quality: 0.5, frames: 5, templates: [] },
    };
    const record = { recordedAt: lastSeen, body: { case: 'sighting' as const, value } };
    const payload = toBinary(RecordPayloadSchema, create(RecordPayloadSchema, record));
    this.#records.push({ sequence: BigInt((this.#sequence += 1)), payload });
    return sightingId;
  }

  /** Sends what is stored; resolves once it is acknowledged. */
  async send(): Promise<void> {
    const records = this.#records.splice(0).map((record) => ({ ...record, replayed: false }));
    const batch = {
      schemaVersion: 1,
      correlationId: 'clock',
      streamId: this.#streamId,
      sentAt: this.moment(),
      records,
    };
    const payload = toBinary(SightingBatchSchema, create(SightingBatchSchema, batch));
    await this.#connection.publish(topicOf(this.#address, 'sighting'), payload);
    await until(() => (this.#committedThrough >= this.#sequence ? true : undefined), 'the acknowledgement');
  }
}

describe('sightings of a box whose clock is wrong', () => {
  let hub: HubUnderTest;
  beforeAll(async () => {
    hub = await HubUnderTest.start();
  });
  afterAll(() => hub.stop());

  async function dated(deviceId: string, id: SightingId) {
    const sighting = (await hub.sightingsOf(deviceId)).find((each) => each.id === id);
    if (!sighting) throw new Error('the sighting is not there');
    return { firstMs: Date.parse(sighting.firstSeenAt), lastMs: Date.parse(sighting.lastSeenAt) };
  }

  it.each([
    ['a boot in 1970', 'box-1970', () => -Date.now()],
    ['a clock a day ahead', 'box-ahead', () => DAY_MS],
    ['a clock a day behind', 'box-behind', () => -DAY_MS],
  ])('are dated right: %s', async (_, deviceId, offset) => {
    const box = await BoxWithClock.connect(hub, deviceId);
    box.wallOffsetMs = offset();
    const now = Date.now();
    const id = box.record(box.moment(60_000), box.moment(30_000));
    await box.send();
    const { firstMs, lastMs } = await dated(deviceId, id);
    expect(Math.abs(firstMs - (now - 60_000))).toBeLessThan(TOLERANCE_MS);
    expect(lastMs - firstMs).toBe(30_000);
    await box.close();
  });

  it.each([
    ['ahead', 'box-jumps-ahead', DAY_MS],
    ['back', 'box-jumps-back', -DAY_MS],
  ])('last as long as they did when the clock jumps a day %s in their middle', async (_, deviceId, jumpMs) => {
    const box = await BoxWithClock.connect(hub, deviceId);
    const now = Date.now();
    const first = box.moment(20_000);
    box.wallOffsetMs = jumpMs;
    const id = box.record(first, box.moment(10_000));
    await box.send();
    const { firstMs, lastMs } = await dated(deviceId, id);
    expect(Math.abs(firstMs - (now - 20_000))).toBeLessThan(TOLERANCE_MS);
    expect(lastMs - firstMs).toBe(10_000);
    await box.close();
  });

  it('are dated right when they were recorded in a boot of 1970 that never had a network', async () => {
    const box = await BoxWithClock.connect(hub, 'box-two-boots');
    box.wallOffsetMs = -Date.now();
    const now = Date.now();
    const id = box.record(box.moment(60_000), box.moment(30_000));
    box.boot();
    await box.send();
    // By the offset of the clock when it was sent: it ran on over the boot.
    const { firstMs } = await dated('box-two-boots', id);
    expect(Math.abs(firstMs - (now - 60_000))).toBeLessThan(TOLERANCE_MS);
    await box.close();
  });
});
