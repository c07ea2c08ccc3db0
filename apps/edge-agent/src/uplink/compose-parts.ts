import { join } from 'node:path';

import { AppError, type Clock, type Logger } from '@sightline/kernel';

import type { EdgeAgentConfig } from '../config/config.js';
import type { DeviceClock } from '../device-clock.js';
import type { RecognitionMeter } from '../operation/recognition-meter.js';
import { openOutboxStore } from '../outbox/open-outbox-store.js';
import { Outbox } from '../outbox/outbox.js';
import type { CameraStatus } from '../pipeline/camera-pipeline.js';
import type { RecogniserSlot } from '../pipeline/recogniser-slot.js';
import type { TrustedTime } from '../trusted-time.js';
import { BatchSender, type DeliveryPolicy } from './batch-sender.js';
import { CommandInbox } from './commands/command-inbox.js';
import { CommandJournal } from './commands/command-journal.js';
import type { RestartableSource } from './commands/restartable-source.js';
import { HealthMonitor } from './health/health-monitor.js';

export interface UplinkPartsOptions {
  readonly config: EdgeAgentConfig;
  readonly outbox: Outbox;
  readonly slot: RecogniserSlot;
  readonly meter: RecognitionMeter;
  readonly deviceClock: DeviceClock;
  readonly trustedTime: TrustedTime;
  /** Of the cameras that run, by id: filled once they do. */
  readonly sources: ReadonlyMap<string, RestartableSource>;
  readonly cameras: () => readonly CameraStatus[];
  /** Says again what the local cache holds; absent where the box has none. */
  readonly resyncGallery: (() => Promise<void>) | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** Windows of more than two weeks. */
const HEALTH_BYTES = 2 * 1024 * 1024;

/** One batch at a time: nobody waits for it. */
const HEALTH_DELIVERY: DeliveryPolicy = {
  maximumWindow: 1,
  maximumBatchRecords: 100,
  maximumBatchBytes: 128 * 1024,
  acknowledgementTimeoutMs: 30_000,
};

/** What the box has to say and to do beside its sightings: health and commands. */
export function composeUplinkParts(options: UplinkPartsOptions): {
  readonly health: HealthMonitor;
  readonly commands: CommandInbox;
} {
  return { health: composeHealth(options), commands: composeCommands(options) };
}

function composeHealth(options: UplinkPartsOptions): HealthMonitor {
  const { config, slot, meter, deviceClock, cameras, clock, random, log } = options;
  const store = openOutboxStore({
    path: join(config.dataDirectory, 'health.db'),
    maximumBytes: HEALTH_BYTES,
    ...{ clock, log },
  });
  const outbox = new Outbox(store, {
    ...{ commitDelayMs: 0, groupSize: 100, queueLimit: 100, clock, random, log },
    // The box goes on without: windows are not sightings.
    onFatal: ({ code }) => log.error({ code }, 'health windows can no longer be stored'),
  });
  return new HealthMonitor({
    ...{ outbox, meter, cameras, deviceClock, clock, log, sightings: options.outbox },
    createSender: (publish) =>
      new BatchSender({
        ...{ outbox, publish, deviceClock, clock, random, log },
        policy: () => HEALTH_DELIVERY,
        onSent: () => undefined,
      }),
    releaseDigest: () => slot.current?.digest ?? '',
    residentBytes: () => process.memoryUsage.rss(),
    windowMs: config.uplink.healthWindowMs,
    snapshotEveryMs: config.uplink.healthEveryMs,
  });
}

function composeCommands(options: UplinkPartsOptions): CommandInbox {
  const { config, sources, trustedTime, deviceClock, clock, log } = options;
  return new CommandInbox({
    ...{ trustedTime, deviceClock, clock, log },
    journal: new CommandJournal(join(config.dataDirectory, 'commands.json'), log),
    actions: {
      restartCamera: async (cameraId) => {
        const source = sources.get(cameraId);
        if (!source) throw new AppError('CAMERA.NOT_FOUND', 'The box has no camera of this id.');
        source.restart();
      },
      resyncGallery: async () => {
        if (!options.resyncGallery) throw new AppError('COMMAND.UNSUPPORTED', 'The box has no local cache.');
        await options.resyncGallery();
      },
      diagnostics: () => diagnosticsOf(options),
    },
  });
}

/** Counters of the whole box and of each camera. */
function diagnosticsOf({ outbox, meter, cameras, clock }: UplinkPartsOptions): Readonly<Record<string, number>> {
  const perCamera = cameras().flatMap(({ cameraId, frames, droppedFrames, failedFrames, sightings }) =>
    Object.entries({ frames, droppedFrames, failedFrames, sightings }).map(
      ([name, value]) => [`camera.${cameraId}.${name}`, value] as const,
    ),
  );
  const { detections, embeddings, failures } = meter.counts;
  return {
    'agent.monotonicMs': Math.floor(clock.monotonicMs()),
    'memory.residentBytes': process.memoryUsage.rss(),
    'outbox.backlog': outbox.backlog,
    'outbox.usedBytes': outbox.usedBytes,
    'outbox.lost': outbox.dropped.lost,
    'outbox.superseded': outbox.dropped.superseded,
    'recognition.detections': detections,
    'recognition.embeddings': embeddings,
    'recognition.failures': failures,
    ...Object.fromEntries(perCamera),
  };
}
