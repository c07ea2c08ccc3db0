import { join } from 'node:path';

import type { VerifiedBundle } from '@sightline/contracts';
import { systemClock } from '@sightline/kernel';
import { ReleaseStore } from '@sightline/release-trust';

/** The release that is active on this box, verified again; undefined before the first one. */
export function activeBundle(dataDirectory: string): Promise<VerifiedBundle | undefined> {
  return new ReleaseStore({ directory: join(dataDirectory, 'releases'), clock: systemClock }).current();
}
