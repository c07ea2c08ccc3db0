import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';

import { create } from '@bufbuild/protobuf';
import { DeviceTimeSchema, type DeviceTime } from '@sightline/contracts';
import type { Clock } from '@sightline/kernel';

import type { Moment } from './capture/frame-source.js';

/** systemd-timesyncd makes this file once it has set the clock. Boxes with another daemon count as not synchronised. */
const SYNCHRONISED_FILE = '/run/systemd/timesync/synchronized';
const CHECK_EVERY_MS = 30_000;

/** Whether this box's clock is known to be synchronised. What is not known counts as no. */
export function systemClockSynchronised(): boolean {
  return existsSync(SYNCHRONISED_FILE);
}

/** The box's time as records carry it: both clocks, the boot they belong to, and how far to trust them. */
export class DeviceClock {
  /** Random per start of the agent: monotonic times are comparable within one boot only. */
  readonly bootId = randomUUID();
  readonly #clock: Clock;
  readonly #isSynchronised: () => boolean;
  #checkedMs = -Infinity;
  #synchronised = false;

  constructor(clock: Clock, isSynchronised: () => boolean = systemClockSynchronised) {
    this.#clock = clock;
    this.#isSynchronised = isSynchronised;
  }

  now(): Moment {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }

  /** Whether the box's clock is known to be synchronised, as of the last half minute. */
  get synchronised(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#checkedMs >= CHECK_EVERY_MS) {
      this.#checkedMs = nowMs;
      this.#synchronised = this.#isSynchronised();
    }
    return this.#synchronised;
  }

  /** A moment of this boot, in the wire's form. */
  deviceTime(moment: Moment = this.now()): DeviceTime {
    return create(DeviceTimeSchema, {
      bootId: this.bootId,
      monotonicMs: BigInt(Math.max(0, Math.floor(moment.monotonicMs))),
      wallMs: BigInt(Math.floor(moment.wallMs)),
      clockSynchronised: this.synchronised,
    });
  }

  /**
   * How long ago a recorded moment was, by the monotonic clock.
   *
   * @returns ms; undefined for a moment of another boot, which has no comparable time
   */
  ageMs(time: DeviceTime | undefined): number | undefined {
    if (time?.bootId !== this.bootId) return undefined;
    return this.#clock.monotonicMs() - Number(time.monotonicMs);
  }
}
