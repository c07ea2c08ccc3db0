import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { takeLock, writeFileDurably } from '@sightline/host';
import { AppError, errorMessage, type Logger } from '@sightline/kernel';

/**
 * Keeps a second agent out of a data directory: two of them would share one outbox stream and one client id.
 *
 * @returns what gives the directory back
 * @throws AppError `AGENT.ALREADY_RUNNING`
 */
export async function lockDataDirectory(directory: string): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return takeLock(
    join(directory, 'agent.lock'),
    (pid) =>
      new AppError('AGENT.ALREADY_RUNNING', 'Another agent uses the data directory.', { details: { directory, pid } }),
  );
}

/** Who a box is. */
interface Identity {
  readonly tenantId: string;
  readonly deviceId: string;
}

/**
 * Holds a locked data directory against whose it is, and writes that down when nobody has: what was recorded under one
 * identity must not be sent under another, whatever way the other one came.
 *
 * @throws AppError `PROVISIONING.OTHER_IDENTITY`
 */
export async function claimDataDirectory(
  directory: string,
  { tenantId, deviceId }: Identity,
  log: Pick<Logger, 'warn'>,
): Promise<void> {
  const path = join(directory, 'identity.json');
  const own = `${JSON.stringify({ tenantId, deviceId })}\n`;
  const written = await readFile(path, 'utf8').catch(() => undefined);
  if (written === own) return;
  if (written !== undefined) {
    throw new AppError('PROVISIONING.OTHER_IDENTITY', 'The data directory holds what another identity has recorded.', {
      details: { directory },
    });
  }
  try {
    await writeFileDurably(path, own);
  } catch (error) {
    // On a full disk recording comes first; the next start tries again.
    log.warn({ cause: errorMessage(error) }, 'cannot write down whose the data directory is');
  }
}
