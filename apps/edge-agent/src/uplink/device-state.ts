import { create, toBinary } from '@bufbuild/protobuf';
import {
  DeviceBirthSchema,
  DeviceStatusSchema,
  FieldStatus,
  ReportedStateSchema,
  RunningReleaseSchema,
  SCHEMA_VERSION,
  type DeviceBenchmark,
  type RunningRelease,
} from '@sightline/contracts';
import type { KeyId } from '@sightline/kernel';
import { randomUUID } from 'node:crypto';

import type { LocalCache } from '../cache/local-cache.js';
import type { DeviceClock } from '../device-clock.js';
import type { Outbox } from '../outbox/outbox.js';
import type { ActiveRelease } from '../pipeline/recogniser-slot.js';

/** How one desired document fared. Version 0: none was seen. */
export interface FieldState {
  readonly version: number;
  readonly status: 'none' | 'pending' | 'applied' | 'failed';
  /** An error code when it failed. */
  readonly error: string;
  /** What is wrong, by field. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

const STATUSES = {
  none: FieldStatus.UNSPECIFIED,
  pending: FieldStatus.PENDING,
  applied: FieldStatus.APPLIED,
  failed: FieldStatus.FAILED,
} as const satisfies Record<FieldState['status'], FieldStatus>;

export interface DeviceStateOptions {
  readonly deviceClock: DeviceClock;
  readonly outbox: Outbox;
  readonly agentVersion: string;
  readonly cameraIds: readonly string[];
  readonly keyId: () => KeyId;
  readonly availableProviders: readonly string[];
  /** What was measured on this box. */
  readonly benchmark: () => { readonly benchmark?: DeviceBenchmark };
  readonly running: () => ActiveRelease | undefined;
  readonly release: () => FieldState;
  readonly config: () => FieldState;
  /** What the local cache holds; undefined where there is none. */
  readonly gallery: () => LocalCache['holding'] | undefined;
}

/** What the box says of itself: encoded status, birth and reported state. */
export class DeviceState {
  readonly #options: DeviceStateOptions;

  constructor(options: DeviceStateOptions) {
    this.#options = options;
  }

  status(sessionId: string, online: boolean): Uint8Array {
    const at = this.#options.deviceClock.deviceTime();
    return toBinary(
      DeviceStatusSchema,
      create(DeviceStatusSchema, { schemaVersion: SCHEMA_VERSION, sessionId, online, at }),
    );
  }

  birth(sessionId: string): Uint8Array {
    const { deviceClock, outbox, agentVersion, cameraIds, keyId, availableProviders, running } = this.#options;
    const gallery = this.#options.gallery();
    const birth = create(DeviceBirthSchema, {
      schemaVersion: SCHEMA_VERSION,
      correlationId: randomUUID(),
      sessionId,
      at: deviceClock.deviceTime(),
      agentVersion,
      platform: process.platform,
      architecture: process.arch,
      availableProviders: [...availableProviders],
      provider: running()?.recogniser.provider ?? '',
      outboxStreamId: outbox.streamId,
      outboxNextSequence: BigInt(outbox.nextSequence),
      cameraIds: [...cameraIds],
      keyId: keyId(),
      galleryCacheId: gallery?.cacheId ?? '',
      galleryVersion: BigInt(gallery?.version ?? 0),
      galleryMaximumTemplates: gallery?.maximumTemplates ?? 0,
      ...this.#options.benchmark(),
      ...this.#running(),
    });
    return toBinary(DeviceBirthSchema, birth);
  }

  reported(sessionId: string): Uint8Array {
    const { deviceClock, running } = this.#options;
    const [release, config] = [this.#options.release(), this.#options.config()];
    const reported = create(ReportedStateSchema, {
      schemaVersion: SCHEMA_VERSION,
      sessionId,
      at: deviceClock.deviceTime(),
      releaseVersionSeen: BigInt(release.version),
      releaseStatus: STATUSES[release.status],
      releaseError: release.error,
      configVersionSeen: BigInt(config.version),
      configStatus: STATUSES[config.status],
      configError: config.error,
      configErrors: [...(config.errors ?? [])],
      provider: running()?.recogniser.provider ?? '',
      ...this.#running(),
    });
    return toBinary(ReportedStateSchema, reported);
  }

  #running(): { readonly running?: RunningRelease } {
    const release = this.#options.running();
    if (!release) return {};
    const { version, digest, recogniser } = release;
    const running = create(RunningReleaseSchema, {
      version,
      digest,
      modelSpace: recogniser.spaceId,
      embedderDigest: recogniser.variantDigest,
    });
    return { running };
  }
}
