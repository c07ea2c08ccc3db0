import { IdentificationOutcome, type DeviceTime, type Identification } from '@sightline/contracts';

import type { DeviceClock } from '../device-clock.js';

export interface IdentificationCounts {
  readonly identified: number;
  readonly ambiguous: number;
  readonly unknown: number;
  readonly refused: number;
  /** Came too late, for a record of another boot, or for none that was sent: never acted upon. */
  readonly ignored: number;
}

/** Records that may wait for their identification: an answer that comes later than that many is ignored. */
const WAITING_LIMIT = 10_000;

/**
 * Judges which identifications may be acted upon: those of records of this boot that were recorded, by the
 * monotonic clock, no longer ago than the bound. That is stricter than counting from the publish: a record
 * that waited for hours for a connection opens no door.
 */
export class IdentificationInbox {
  readonly #deviceClock: DeviceClock;
  readonly #boundMs: number;
  readonly #recordedAt = new Map<number, DeviceTime | undefined>();
  #counts: IdentificationCounts = { identified: 0, ambiguous: 0, unknown: 0, refused: 0, ignored: 0 };

  constructor(deviceClock: DeviceClock, boundMs: number) {
    this.#deviceClock = deviceClock;
    this.#boundMs = boundMs;
  }

  get counts(): IdentificationCounts {
    return this.#counts;
  }

  /** A record was handed to the broker. */
  expect(sequence: number, recordedAt: DeviceTime | undefined): void {
    this.#recordedAt.set(sequence, recordedAt);
    const [oldest] = this.#recordedAt.keys();
    if (this.#recordedAt.size > WAITING_LIMIT && oldest !== undefined) this.#recordedAt.delete(oldest);
  }

  /**
   * Counts an identification. A second one of the same record is ignored.
   *
   * @param streamId of this box's outbox
   * @returns its age in ms when it may be acted upon
   */
  take(identification: Identification, streamId: string): number | undefined {
    const sequence = Number(identification.sequence);
    const ageMs = this.#deviceClock.ageMs(this.#recordedAt.get(sequence));
    const isOurs = identification.streamId === streamId;
    if (isOurs) this.#recordedAt.delete(sequence);
    const kind = outcomes[identification.outcome];
    if (!isOurs || kind === undefined || ageMs === undefined || ageMs > this.#boundMs) {
      this.#counts = { ...this.#counts, ignored: this.#counts.ignored + 1 };
      return undefined;
    }
    this.#counts = { ...this.#counts, [kind]: this.#counts[kind] + 1 };
    return ageMs;
  }
}

const outcomes: Readonly<
  Record<IdentificationOutcome, 'identified' | 'ambiguous' | 'unknown' | 'refused' | undefined>
> = {
  [IdentificationOutcome.UNSPECIFIED]: undefined,
  [IdentificationOutcome.IDENTIFIED]: 'identified',
  [IdentificationOutcome.AMBIGUOUS]: 'ambiguous',
  [IdentificationOutcome.UNKNOWN]: 'unknown',
  [IdentificationOutcome.REFUSED]: 'refused',
};
