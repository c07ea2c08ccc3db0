import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { takeLock } from '@sightline/host';
import { AppError } from '@sightline/kernel';

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
