import { errorMessage, isAppError, type Logger } from '@sightline/kernel';

import type { DeviceClock } from '../device-clock.js';
import type { Outbox } from '../outbox/outbox.js';
import { closingRecord } from './sighting-record.js';

/**
 * Closes the sightings that an earlier boot left open, because it was killed: the people are no longer before
 * that camera as far as anybody knows. Each is forgotten in the transaction that stores its closing record.
 * Never rejects; what a full disk holds up is stored once there is room.
 */
export async function closeLeftOpen(
  outbox: Outbox,
  leftOpen: readonly Uint8Array[],
  deviceClock: DeviceClock,
  log: Logger,
): Promise<void> {
  const close = async (payload: Uint8Array): Promise<number> => {
    try {
      const record = closingRecord(payload, deviceClock.deviceTime());
      if (!record) return 0;
      await outbox.append(record);
      return 1;
    } catch (error) {
      const code = isAppError(error) ? error.code : 'OUTBOX.RECORD_UNREADABLE';
      log.error({ code, cause: errorMessage(error) }, 'a sighting that was left open cannot be closed');
      return 0;
    }
  };
  const closed = (await Promise.all(leftOpen.map(close))).reduce((sum, count) => sum + count, 0);
  if (closed > 0) log.info({ closed }, 'closed the sightings that the last run left open');
}
