import type { DeviceAddress } from '@sightline/contracts';
import type { Transaction } from '@sightline/database';
import { and, eq, inArray } from 'drizzle-orm';

import { deviceCommand } from '../operations.schema.js';

/**
 * Ends every command of a box that has no end yet, as failed with `DEVICE.REVOKED`, in the transaction that revokes it:
 * nothing is sent to the box any more, and nothing that it says is taken.
 */
export async function endCommands(
  tx: Transaction,
  { tenantId, deviceId }: DeviceAddress,
  endedAt: Date,
): Promise<void> {
  await tx
    .update(deviceCommand)
    .set({ state: 'failed', error: 'DEVICE.REVOKED', endedAt })
    .where(
      and(
        eq(deviceCommand.tenantId, tenantId),
        eq(deviceCommand.deviceId, deviceId),
        inArray(deviceCommand.state, ['pending', 'sent', 'accepted', 'progress']),
      ),
    );
}
