import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fromBinary } from '@bufbuild/protobuf';
import { DeviceHealthSchema, type DeviceHealth } from '@sightline/contracts';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { DeviceClock } from '../../device-clock.js';
import { openOutboxStore } from '../../outbox/open-outbox-store.js';
import { Outbox } from '../../outbox/outbox.js';
import { TestLog } from '../../testing/test-log.js';
import { VirtualClock } from '../../testing/virtual-clock.js';
import { BatchSender, defaultDeliveryPolicy } from '../batch-sender.js';
import { HealthMonitor } from './health-monitor.js';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'sightline-health-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('goes on with snapshots after the outbox of sightings could not be read', async () => {
  const clock = new VirtualClock();
  const log = new TestLog();
  const random = (): number => 0;
  const deviceClock = new DeviceClock(clock, () => true);
  const store = openOutboxStore({ path: join(directory, 'health.db'), maximumBytes: 2 ** 21, clock, log });
  const options = { commitDelayMs: 0, groupSize: 100, queueLimit: 100, onFatal: () => undefined };
  const outbox = new Outbox(store, { ...options, clock, random, log });
  let readable = false;
  const snapshots: DeviceHealth[] = [];
  const monitor = new HealthMonitor({
    ...{ outbox, deviceClock, clock, log, windowMs: 300_000, snapshotEveryMs: 20_000 },
    createSender: (publish) =>
      new BatchSender({
        ...{ outbox, publish, deviceClock, clock, random, log },
        policy: () => defaultDeliveryPolicy,
        onSent: () => undefined,
      }),
    sightings: {
      ...{ backlog: 3, problem: undefined, dropped: { superseded: 0, lost: 0 } },
      get usedBytes(): number {
        if (readable) return 4096;
        throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
      },
    },
    meter: {
      counts: { detections: 0, embeddings: 0, failures: 0, embedFailures: 0 },
      onStage: () => undefined,
    },
    cameras: () => [],
    releaseDigest: () => '',
    residentBytes: () => 1024,
  });
  monitor.attach({
    ...{ sessionId: 's1', connected: true, subscribe: () => undefined },
    publish: async (channel, payload) => {
      if (channel === 'health') snapshots.push(fromBinary(DeviceHealthSchema, payload));
    },
  });
  monitor.connected();
  await clock.advance(21_000);
  expect(snapshots).toEqual([]);
  readable = true;
  await clock.advance(20_000);
  expect(snapshots).toEqual([expect.objectContaining({ sessionId: 's1', outboxBacklog: 3n, outboxBytes: 4096n })]);
  await monitor.stop();
});
