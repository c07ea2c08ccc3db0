import type { DeviceId, TenantId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { batchPayload, gapPayload, sightingPayload } from '../testing/test-device.js';
import { decodeBatch } from './decode-batch.js';
import { isLive } from './liveness.js';

const address = { tenantId: 'default' as TenantId, deviceId: 'box-1' as DeviceId };
const STREAM = '018f4e5a-0000-7000-8000-000000000001';

const batchOf = (...payloads: readonly Uint8Array[]) => {
  const records = payloads.map((payload, index) => ({ sequence: index + 1, payload, replayed: true }));
  return decodeBatch(address, batchPayload(STREAM, records), Date.now());
};

const old = () => {
  const batch = batchOf(sightingPayload());
  const sentAt = { ...batch.sentAt, monotonicMs: batch.sentAt.monotonicMs + 11_000 };
  return { ...batch, sentAt };
};

describe('a batch', () => {
  it('is live while boxes act upon its answer, also when it was sent before', () => {
    expect(isLive(batchOf(sightingPayload()))).toBe(true);
    expect(isLive(old())).toBe(false);
  });

  it('is live by its newest record', () => {
    const backlog = old();
    const { bootId } = backlog.sentAt;
    const now = { ...backlog.sentAt, bootId };
    const records = [...backlog.records, ...batchOf(sightingPayload()).records].map((record, index) =>
      index === 1 && record.kind === 'sighting'
        ? { ...record, sighting: { ...record.sighting, recordedAt: now } }
        : record,
    );
    expect(isLive({ ...backlog, records })).toBe(true);
  });

  it('of another boot is not, however near its monotonic time is, nor is one of gaps', () => {
    const batch = batchOf(sightingPayload());
    expect(isLive({ ...batch, sentAt: { ...batch.sentAt, bootId: 'boot-2' } })).toBe(false);
    expect(isLive(batchOf(gapPayload(1, 1)))).toBe(false);
  });
});
