import type { VerifiedBundle } from '@sightline/contracts';
import type { EdgeAgentSurroundings } from '@sightline/edge-agent';

/** A release store that holds one release, active and committed, in the place of a repository and a disk. */
export function oneRelease(bundle: VerifiedBundle): EdgeAgentSurroundings['releases'] {
  return () => ({
    client: { download: async () => bundle },
    store: {
      current: async () => bundle,
      previous: async () => undefined,
      slots: async () => ({ current: bundle.digest }),
      burnBoot: async () => true,
      stage: async () => undefined,
      activate: async () => undefined,
      commit: async () => undefined,
      rollBack: async () => undefined,
    },
  });
}
