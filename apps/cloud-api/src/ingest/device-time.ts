import type { DeviceTime } from '@sightline/contracts';

import type { Dating } from '../storage/schema.js';

/** A moment as a box saw it, within bounds that a date and a number can hold. */
export interface DeviceMoment {
  readonly bootId: string;
  /** Since the boot, ms. */
  readonly monotonicMs: number;
  /** Since the Unix epoch by the box's own clock, ms. */
  readonly wallMs: number;
  readonly clockSynchronised: boolean;
}

/** Where a boot's monotonic clock started, in cloud time. */
export interface BootEpoch {
  /** Cloud time at monotonic 0, ms since the Unix epoch. */
  readonly epochMs: number;
  readonly measuredAtMs: number;
}

/** How a batch travelled: what its records are dated by. */
export interface Transit {
  readonly receivedAtMs: number;
  readonly sentAt: DeviceMoment;
}

export interface DatedMoment {
  /** Cloud time, ms since the Unix epoch; never later than the batch's arrival. */
  readonly ms: number;
  readonly dating: Dating;
}

/** Largest distance from the epoch that a JavaScript date can show, and well within PostgreSQL's, ms. */
const LARGEST_WALL_MS = 8.64e15;

/** How fast a box's crystal may run wrong: 200 ppm, several times what a bad one does. */
const DRIFT = 200e-6;

/** @returns undefined when a value cannot be */
export function deviceMoment(time: DeviceTime | undefined): DeviceMoment | undefined {
  if (time === undefined) return undefined;
  const monotonicMs = Number(time.monotonicMs);
  const wallMs = Number(time.wallMs);
  if (!Number.isSafeInteger(monotonicMs) || Math.abs(wallMs) > LARGEST_WALL_MS) return undefined;
  if (!/^[\x21-\x7e]{1,64}$/.test(time.bootId)) return undefined;
  return { bootId: time.bootId, monotonicMs, wallMs, clockSynchronised: time.clockSynchronised };
}

/**
 * Sharpens the measured start of a boot. A batch arrives after it was sent, never before, so arrival − monotonic time
 * of sending is too late by the time on the way, and the smallest measurement is the best (the filter of NTP, RFC 5905,
 * section 10). An older one ages by the drift that the box's clock may have had since.
 */
export function measureBoot(known: BootEpoch | undefined, { receivedAtMs, sentAt }: Transit): BootEpoch {
  const measured = receivedAtMs - sentAt.monotonicMs;
  if (known === undefined) return { epochMs: measured, measuredAtMs: receivedAtMs };
  const aged = known.epochMs + Math.max(0, receivedAtMs - known.measuredAtMs) * DRIFT;
  return { epochMs: Math.min(measured, aged), measuredAtMs: receivedAtMs };
}

/**
 * Dates a moment of a box in cloud time: by the monotonic clock of its boot where that boot was measured; otherwise
 * by the box's own clock when that was synchronised, or by that clock's offset when the batch was sent.
 *
 * @param epochOf what was measured of a boot
 */
export function dateMoment(
  moment: DeviceMoment,
  transit: Transit,
  epochOf: (bootId: string) => BootEpoch | undefined,
): DatedMoment {
  const { receivedAtMs, sentAt } = transit;
  const notLater = (ms: number, dating: Dating): DatedMoment =>
    // Before the Unix epoch nothing was seen by anybody: such a clock says nothing at all.
    ms < 0 ? { ms: receivedAtMs, dating: 'received' } : { ms: Math.min(ms, receivedAtMs), dating };
  const epoch = epochOf(moment.bootId);
  if (epoch !== undefined) return notLater(epoch.epochMs + moment.monotonicMs, 'monotonic');
  if (moment.clockSynchronised) return notLater(moment.wallMs, 'synchronised');
  return notLater(moment.wallMs + (receivedAtMs - sentAt.wallMs), 'offset');
}
