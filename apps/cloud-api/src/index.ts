import type { CloudApiConfig } from './config.js';
import { RegistryReleaseSource } from './releases/registry-release-source.js';
import { startWith, type CloudApi } from './start-cloud-api.js';

export type { CloudApiConfig } from './config.js';
export type { CloudApi } from './start-cloud-api.js';

/**
 * Starts the cloud API: REST, the fleet's ingest and identification. It serves at once; what needs a release answers
 * `RELEASE.UNAVAILABLE` (and sightings wait) until the registry could be reached.
 *
 * @throws AppError `DATABASE.UNAVAILABLE`, `DATABASE.MIGRATION_*`, `TEMPLATE_KEY.UNWRAP_FAILED`,
 *   `INGEST.SECOND_CONSUMER` when another process consumes the fleet's messages, `MQTT.SUBSCRIPTION_REFUSED`
 */
export async function startCloudApi(config: CloudApiConfig): Promise<CloudApi> {
  return startWith(config, new RegistryReleaseSource(config));
}
