import type { IngestBatch } from './decode-batch.js';

/** A record that was sent no later than this after it was made is live, ms: until then boxes act upon the answer. */
const LIVE_MS = 10_000;

/**
 * Whether a batch tells of what happens now: one of its sightings was recorded a moment before the batch was sent, by
 * the box's monotonic clock. All others come from a backlog, whether they were sent before or not.
 */
export function isLive({ records, sentAt }: Pick<IngestBatch, 'records' | 'sentAt'>): boolean {
  return records.some((record) => {
    if (record.kind !== 'sighting') return false;
    const { bootId, monotonicMs } = record.sighting.recordedAt;
    return bootId === sentAt.bootId && sentAt.monotonicMs - monotonicMs <= LIVE_MS;
  });
}
