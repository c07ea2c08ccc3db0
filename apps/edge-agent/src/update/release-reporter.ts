import { create, toBinary } from '@bufbuild/protobuf';
import { ReleaseStateSchema, ReleaseStep, SCHEMA_VERSION } from '@sightline/contracts';
import { isAppError, type Logger } from '@sightline/kernel';

import type { DeviceClock } from '../device-clock.js';
import type { UplinkLink, UplinkPart } from '../uplink/uplink-part.js';
import type { ObservedUpdate, UpdateState, UpdateStep } from './update-journal.js';

const steps = {
  OFFERED: ReleaseStep.OFFERED,
  DOWNLOADING: ReleaseStep.DOWNLOADING,
  VERIFIED: ReleaseStep.VERIFIED,
  STAGED: ReleaseStep.STAGED,
  SELF_TEST: ReleaseStep.SELF_TEST,
  ACTIVE: ReleaseStep.ACTIVE,
  COMMITTED: ReleaseStep.COMMITTED,
  ROLLED_BACK: ReleaseStep.ROLLED_BACK,
  FAILED: ReleaseStep.FAILED,
  INCONSISTENT: ReleaseStep.INCONSISTENT,
} as const satisfies Record<UpdateStep, ReleaseStep>;

export interface ReleaseReporterOptions {
  /** What is remembered of the newest update, of an earlier boot too; undefined: there was none. */
  readonly remembered: () => UpdateState | undefined;
  readonly deviceClock: DeviceClock;
  readonly log: Logger;
}

/**
 * Tells the cloud how far an update is: each step once, as it is taken, and the newest one again on each connection, so
 * that what was lost with a connection or a boot is made good. Steps that nobody heard of meanwhile are not told later.
 */
export class ReleaseReporter implements UplinkPart {
  readonly #options: ReleaseReporterOptions;
  #link: UplinkLink | undefined;
  #newest: ObservedUpdate | undefined;
  /** What was told last on this connection. */
  #told: string | undefined;

  constructor(options: ReleaseReporterOptions) {
    this.#options = options;
  }

  attach(link: UplinkLink): void {
    this.#link = link;
  }

  connected(): void {
    this.#told = undefined;
    this.#tell(this.#newest ?? this.#options.remembered());
  }

  disconnected(): void {
    this.#told = undefined;
  }

  stop(): Promise<void> {
    this.#link = undefined;
    return Promise.resolve();
  }

  /** Takes a step, or the progress of one. Never throws. */
  observe(update: ObservedUpdate): void {
    this.#newest = update;
    if (this.#link?.connected === true) this.#tell(update);
  }

  #tell(update: ObservedUpdate | undefined): void {
    if (!update || !this.#link) return;
    const { documentVersion, step, error, attempt, progress } = update;
    const key = JSON.stringify([documentVersion, step, error, attempt, progress?.receivedBytes]);
    if (key === this.#told) return;
    this.#told = key;
    this.#link.publish('release/state', this.#encoded(update, this.#link.sessionId)).catch((failure: unknown) => {
      // The connection is gone: the next one begins with the newest step.
      const code = isAppError(failure) ? failure.code : 'UPLINK.PUBLISH_FAILED';
      this.#options.log.debug({ code, step }, 'the broker did not take a step of the update');
    });
  }

  #encoded({ documentVersion, releaseVersion, digest, ...update }: ObservedUpdate, sessionId: string): Uint8Array {
    const { step, error, attempt, progress = { receivedBytes: 0, totalBytes: 0 } } = update;
    const message = create(ReleaseStateSchema, {
      ...{ schemaVersion: SCHEMA_VERSION, sessionId, at: this.#options.deviceClock.deviceTime() },
      ...{ documentVersion: BigInt(documentVersion), releaseVersion, releaseDigest: digest },
      ...{ step: steps[step], error, attempt },
      receivedBytes: BigInt(progress.receivedBytes),
      totalBytes: BigInt(progress.totalBytes),
    });
    return toBinary(ReleaseStateSchema, message);
  }
}
