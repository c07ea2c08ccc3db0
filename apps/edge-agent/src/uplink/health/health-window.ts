import { create, toBinary } from '@bufbuild/protobuf';
import { HealthWindowSchema, RecordPayloadSchema, type DeviceTime } from '@sightline/contracts';

import { LatencyHistogram } from './latency-histogram.js';

/** Counters that only grow, since the agent's start. */
export interface HealthTotals {
  readonly frames: number;
  readonly droppedFrames: number;
  readonly failedFrames: number;
  readonly sightings: number;
  readonly detections: number;
  readonly embeddings: number;
  readonly embedFailures: number;
  /** Superseded revisions excepted. */
  readonly recordsDropped: number;
}

const NOTHING: HealthTotals = {
  frames: 0,
  droppedFrames: 0,
  failedFrames: 0,
  sightings: 0,
  detections: 0,
  embeddings: 0,
  embedFailures: 0,
  recordsDropped: 0,
};

export interface WindowEnd {
  readonly totals: HealthTotals;
  readonly endedAt: DeviceTime;
  readonly camerasStalled: number;
  readonly residentBytes: number;
}

/** Counts one window after the other: each has what came since the one before, under one release. */
export class HealthWindows {
  readonly #detect = new LatencyHistogram();
  readonly #embed = new LatencyHistogram();
  #before = NOTHING;
  #startedAt: DeviceTime;
  #releaseDigest: string;
  #residentBytes = 0;
  #isFirst = true;

  constructor(startedAt: DeviceTime, releaseDigest: string) {
    this.#startedAt = startedAt;
    this.#releaseDigest = releaseDigest;
  }

  /** Of the release of the window under way; empty when none runs. */
  get releaseDigest(): string {
    return this.#releaseDigest;
  }

  /** The first release runs: what was before it, where nothing could be seen, counts with it. */
  adopt(releaseDigest: string): void {
    this.#releaseDigest = releaseDigest;
  }

  stage(stage: string, ms: number): void {
    if (stage === 'detect') this.#detect.add(ms);
    if (stage === 'embed') this.#embed.add(ms);
  }

  resident(bytes: number): void {
    this.#residentBytes = Math.max(this.#residentBytes, bytes);
  }

  /**
   * Ends the window under way and begins the next.
   *
   * @param releaseDigest of the next one
   * @returns an encoded RecordPayload
   */
  end({ totals, endedAt, camerasStalled, residentBytes }: WindowEnd, releaseDigest: string): Uint8Array {
    this.resident(residentBytes);
    const [detect, embed] = [this.#detect.take(), this.#embed.take()];
    const since = (key: keyof HealthTotals): bigint => BigInt(Math.max(0, totals[key] - this.#before[key]));
    const wire = (counts: ReturnType<LatencyHistogram['take']>) => ({
      boundsMs: [...counts.boundsMs],
      counts: counts.counts.map(BigInt),
      sumMs: counts.sumMs,
    });
    const value = create(HealthWindowSchema, {
      releaseDigest: this.#releaseDigest,
      startedAt: this.#startedAt,
      endedAt,
      frames: since('frames'),
      droppedFrames: since('droppedFrames'),
      failedFrames: since('failedFrames'),
      detections: since('detections'),
      sightings: since('sightings'),
      embeddings: since('embeddings'),
      embedFailures: since('embedFailures'),
      recordsDropped: since('recordsDropped'),
      detectLatency: wire(detect),
      embedLatency: wire(embed),
      residentBytes: BigInt(this.#residentBytes),
      restarts: this.#isFirst ? 1 : 0,
      camerasStalled,
    });
    this.#before = totals;
    this.#startedAt = endedAt;
    this.#releaseDigest = releaseDigest;
    this.#residentBytes = 0;
    this.#isFirst = false;
    const body = { case: 'healthWindow' as const, value };
    return toBinary(RecordPayloadSchema, create(RecordPayloadSchema, { recordedAt: endedAt, body }));
  }
}
