import type { Database } from '@sightline/database';
import { errorMessage, type Clock, type Logger, type TenantId } from '@sightline/kernel';
import type { MqttConnection } from '@sightline/messaging';

import type { Audit } from '../audit/audit.js';
import type { DeviceBenchmarks } from '../benchmarks/device-benchmarks.js';
import { DesiredReleases } from './desired-releases.js';
import { DocumentPublisher } from './document-publisher.js';
import { FleetIntake } from './fleet-intake.js';
import { Fleet } from './fleet.js';
import { RolloutEngine } from './rollout-engine.js';
import type { ReleaseRef } from './rollout.js';
import { Rollouts } from './rollouts.js';

export interface ComposeRolloutsOptions {
  readonly database: Database;
  readonly connection: MqttConnection;
  readonly benchmarks: DeviceBenchmarks;
  readonly audit: Audit;
  /** The release of the default channel. */
  readonly defaultRelease: () => ReleaseRef;
  /** A published release that a tenant may have. */
  readonly releaseFor: (tenantId: TenantId, version: string) => Promise<ReleaseRef>;
  /** Base address of the repository, as devices are told; known once the registry listens. */
  readonly repositoryUrl: () => string;
  /** How many devices may be downloading at once. */
  readonly places: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const DEFAULT_PLACES = 50;

/** Everything between a rollout and the devices. Nothing runs before `run`. */
export function composeRollouts(options: ComposeRolloutsOptions): {
  readonly rollouts: Rollouts;
  /** Resolves once the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
} {
  const { database, connection, benchmarks, audit, defaultRelease, places = DEFAULT_PLACES, clock, log } = options;
  const desired = new DesiredReleases({ database, clock, repositoryUrl: options.repositoryUrl });
  const publisher = new DocumentPublisher({ connection, desired, clock, log });
  const engine = new RolloutEngine({
    ...{ database, desired, audit, places, clock, log },
    onChange: () => publisher.wake(),
  });
  const intake = new FleetIntake({
    ...{ connection, desired, benchmarks, publisher, defaultRelease, log },
    fleet: new Fleet(database, clock),
    onNews: () => engine.wake(),
  });
  return {
    rollouts: new Rollouts({ database, engine, releaseFor: options.releaseFor }),
    run: async (signal) => {
      // The broker may be away at the start: subscriptions are granted with the first connection.
      intake.start(signal).catch((error: unknown) => {
        if (!signal.aborted) log.error({ reason: errorMessage(error) }, 'devices cannot be heard');
      });
      await Promise.all([engine.run(signal), publisher.run(signal)]);
    },
  };
}
