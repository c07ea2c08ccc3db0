import { fromBinary } from '@bufbuild/protobuf';
import {
  RecordPayloadSchema,
  type HealthWindow,
  type LatencyHistogram,
  type OutboxRecord,
  type rest,
  type SightingBatch,
} from '@sightline/contracts';

import { deviceMoment, type DeviceMoment } from '../../ingest/device-time.js';
import type { WindowCounters } from '../operations.schema.js';

export interface DecodedWindow {
  readonly sequence: number;
  readonly startedAt: DeviceMoment;
  readonly endedAt: DeviceMoment;
  readonly releaseDigest: string;
  readonly trialArm: string;
  readonly counters: WindowCounters;
}

/** The windows of a batch. What is none, or cannot be read, is left out: nothing hangs on a single window. */
export function decodeWindows({ records }: Pick<SightingBatch, 'records'>): readonly DecodedWindow[] {
  return records.flatMap((record) => decodeWindow(record) ?? []);
}

function decodeWindow({ sequence, payload }: OutboxRecord): DecodedWindow | undefined {
  const window = windowOf(payload);
  const startedAt = deviceMoment(window?.startedAt);
  const endedAt = deviceMoment(window?.endedAt);
  if (!window || !startedAt || !endedAt || sequence < 1n || sequence > BigInt(Number.MAX_SAFE_INTEGER))
    return undefined;
  const { releaseDigest, trialArm } = window;
  // A digest and an arm's name: longer is neither, and what PostgreSQL cannot store is not theirs.
  if (!/^[\x21-\x7e]{0,100}$/.test(releaseDigest) || !/^[\x21-\x7e]{0,100}$/.test(trialArm)) return undefined;
  return { sequence: Number(sequence), startedAt, endedAt, releaseDigest, trialArm, counters: countersOf(window) };
}

function windowOf(payload: Uint8Array): HealthWindow | undefined {
  try {
    const { body } = fromBinary(RecordPayloadSchema, payload);
    return body.case === 'healthWindow' ? body.value : undefined;
  } catch {
    return undefined;
  }
}

function countersOf(window: HealthWindow): WindowCounters {
  return {
    frames: Number(window.frames),
    droppedFrames: Number(window.droppedFrames),
    failedFrames: Number(window.failedFrames),
    detections: Number(window.detections),
    sightings: Number(window.sightings),
    embeddings: Number(window.embeddings),
    embedFailures: Number(window.embedFailures),
    detectLatency: latencyOf(window.detectLatency),
    embedLatency: latencyOf(window.embedLatency),
    residentBytes: Number(window.residentBytes),
    restarts: window.restarts,
    camerasStalled: window.camerasStalled,
    recordsDropped: Number(window.recordsDropped),
  };
}

/** Buckets that a window has at most. */
const BUCKETS = 64;

function latencyOf(histogram: LatencyHistogram | undefined): rest.HealthWindow['detectLatency'] {
  return {
    boundsMs: (histogram?.boundsMs ?? []).slice(0, BUCKETS).map(finite),
    counts: (histogram?.counts ?? []).slice(0, BUCKETS + 1).map(Number),
    sumMs: finite(histogram?.sumMs ?? 0),
  };
}

/** JSON knows no others. */
const finite = (value: number): number => (Number.isFinite(value) ? value : 0);
