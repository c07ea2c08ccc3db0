import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { DeviceHealthSchema, SCHEMA_VERSION, SightingAckSchema, type DeviceHealth } from '@sightline/contracts';
import { errorMessage, isAppError, type Clock, type Logger } from '@sightline/kernel';

import type { EdgeAgentStatus } from '../../agent-status.js';
import type { DeviceClock } from '../../device-clock.js';
import type { RecognitionMeter } from '../../operation/recognition-meter.js';
import type { Outbox } from '../../outbox/outbox.js';
import type { BatchSender } from '../batch-sender.js';
import type { UplinkLink, UplinkPart } from '../uplink-part.js';
import { HealthWindows, type WindowEnd } from './health-window.js';

export interface HealthMonitorOptions {
  /** Of windows alone: a stream of its own. */
  readonly outbox: Outbox;
  readonly createSender: (publish: (batch: Uint8Array) => Promise<void>) => BatchSender;
  /** The outbox of sightings, whose state is reported. */
  readonly sightings: Pick<Outbox, 'backlog' | 'usedBytes' | 'problem' | 'dropped'>;
  readonly meter: Pick<RecognitionMeter, 'counts' | 'onStage'>;
  readonly cameras: () => EdgeAgentStatus['cameras'];
  /** Digest of the release that runs; empty when none does. */
  readonly releaseDigest: () => string;
  readonly residentBytes: () => number;
  /** Length of a window, ms. */
  readonly windowMs: number;
  /** Between two snapshots, ms. */
  readonly snapshotEveryMs: number;
  readonly deviceClock: DeviceClock;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How often memory is looked at for the window's peak, ms. */
const SAMPLE_MS = 10_000;

/**
 * Reports how the box is: windows of counters, durably and in order, and snapshots, which may be lost.
 * A window belongs to one release: a change of the release ends it.
 */
export class HealthMonitor implements UplinkPart {
  readonly #options: HealthMonitorOptions;
  readonly #windows: HealthWindows;
  readonly #sender: BatchSender;
  readonly #stopping = new AbortController();
  readonly #startedMs: number;
  #link: UplinkLink | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: HealthMonitorOptions) {
    this.#options = options;
    this.#windows = new HealthWindows(options.deviceClock.deviceTime(), options.releaseDigest());
    this.#startedMs = options.clock.monotonicMs();
    options.meter.onStage((stage, ms) => this.#windows.stage(stage, ms));
    this.#sender = options.createSender((batch) => this.#link?.publish('health/window', batch) ?? Promise.resolve());
  }

  attach(link: UplinkLink): void {
    this.#link = link;
    link.subscribe(
      'health/window/ack',
      (bytes) => fromBinary(SightingAckSchema, bytes),
      (ack) => {
        if (!this.#stopping.signal.aborted) this.#sender.acknowledged(ack);
      },
    );
    this.#options.outbox.onStored(() => {
      if (!this.#stopping.signal.aborted) this.#sender.pump();
    });
    this.#running = Promise.all([
      this.#every(this.#options.windowMs, () => this.endWindow()),
      this.#every(this.#options.snapshotEveryMs, () => this.#snapshot()),
      this.#every(SAMPLE_MS, () => this.#windows.resident(this.#options.residentBytes())),
    ]);
  }

  connected(): void {
    this.#sender.connected();
    void this.#snapshot();
  }

  disconnected(): void {
    this.#sender.disconnected();
  }

  /** Another release runs, perhaps. */
  releaseChanged(): void {
    const digest = this.#options.releaseDigest();
    if (this.#windows.releaseDigest === '') this.#windows.adopt(digest);
    else if (digest !== this.#windows.releaseDigest) void this.endWindow();
  }

  /** Stores the window under way, however short it is. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the agent stops'));
    await this.#running;
    this.#sender.disconnected();
    const stored = this.endWindow();
    await this.#options.outbox.close();
    await stored;
  }

  /** Ends the window under way, and stores it. Never rejects. */
  async endWindow(): Promise<void> {
    const { outbox, log, releaseDigest } = this.#options;
    try {
      const payload = this.#windows.end(this.#now(), releaseDigest());
      await outbox.append({ payload, leavesOpen: false });
    } catch (error) {
      const code = isAppError(error) ? error.code : 'HEALTH.NOT_STORED';
      log.warn({ code, cause: errorMessage(error) }, 'a health window could not be stored');
    }
  }

  #now(): WindowEnd {
    const { meter, sightings, cameras, deviceClock, residentBytes } = this.#options;
    const all = cameras();
    const sum = (key: 'frames' | 'droppedFrames' | 'failedFrames' | 'sightings'): number =>
      all.reduce((total, camera) => total + camera[key], 0);
    const { detections, embeddings, embedFailures } = meter.counts;
    return {
      totals: {
        frames: sum('frames'),
        droppedFrames: sum('droppedFrames'),
        failedFrames: sum('failedFrames'),
        sightings: sum('sightings'),
        ...{ detections, embeddings, embedFailures },
        recordsDropped: sightings.dropped.lost,
      },
      endedAt: deviceClock.deviceTime(),
      camerasStalled: all.filter(({ problem }) => problem !== null).length,
      residentBytes: residentBytes(),
    };
  }

  /** Publishes how the box is now. Never rejects: the next one comes soon. */
  async #snapshot(): Promise<void> {
    const link = this.#link;
    if (!link?.connected) return;
    try {
      await link.publish('health', toBinary(DeviceHealthSchema, this.#health(link.sessionId)));
    } catch (error) {
      const code = isAppError(error) ? error.code : 'HEALTH.UNKNOWN';
      this.#options.log.debug({ code, cause: errorMessage(error) }, 'a health snapshot was not published');
    }
  }

  /** @throws Error of SQLite when the outbox of sightings cannot be read */
  #health(sessionId: string): DeviceHealth {
    const { sightings, cameras, clock, deviceClock, residentBytes } = this.#options;
    return create(DeviceHealthSchema, {
      schemaVersion: SCHEMA_VERSION,
      sessionId,
      at: deviceClock.deviceTime(),
      uptimeMs: BigInt(Math.floor(clock.monotonicMs() - this.#startedMs)),
      residentBytes: BigInt(residentBytes()),
      outboxBacklog: BigInt(sightings.backlog),
      outboxBytes: BigInt(sightings.usedBytes),
      outboxProblem: sightings.problem?.code ?? '',
      recordsDropped: BigInt(sightings.dropped.lost),
      cameras: cameras().map(({ cameraId, state, frames, droppedFrames, failedFrames, problem }) => ({
        cameraId,
        state,
        frames: BigInt(frames),
        droppedFrames: BigInt(droppedFrames),
        failedFrames: BigInt(failedFrames),
        problem: problem ?? '',
      })),
    });
  }

  async #every(ms: number, work: () => Promise<void> | void): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#options.clock.sleep(ms, signal);
      } catch {
        return;
      }
      await work();
    }
  }
}
