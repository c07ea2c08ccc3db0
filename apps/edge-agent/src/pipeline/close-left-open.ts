import { errorMessage, isAppError, type Logger } from '@sightline/kernel';

import type { DeviceClock } from '../device-clock.js';
import type { Outbox } from '../outbox/outbox.js';
import { closingRecord } from './sighting-record.js';

/**
 * Closes the sightings that an earlier boot left open, because it was killed: the people are no longer before
 * that camera as far as anybody knows. Each is forgotten in the transaction that stores its closing record.
 */
export async function closeLeftOpen(
  outbox: Outbox,
  leftOpen: readonly Uint8Array[],
  deviceClock: DeviceClock,
  log: Logger,
): Promise<void> {
  let closed = 0;
  for (const payload of leftOpen) {
    try {
      const record = closingRecord(payload, deviceClock.deviceTime());
      if (!record) continue;
      await outbox.append(record);
      closed += 1;
    } catch (error) {
      const code = isAppError(error) ? error.code : 'OUTBOX.RECORD_UNREADABLE';
      log.error({ code, cause: errorMessage(error) }, 'a sighting that was left open cannot be closed');
    }
  }
  if (closed > 0) log.info({ closed }, 'closed the sightings that the last run left open');
}
