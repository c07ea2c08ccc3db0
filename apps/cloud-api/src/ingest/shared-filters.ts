import { fleetFilter } from '@sightline/contracts';
import type { GroupOfFilter } from '@sightline/messaging';

import type { CloudApiConfig } from '../config.js';

/**
 * What one process of the group takes for all: what the box keeps until it is acknowledged, and snapshots, of which the
 * next replaces one that was lost. Everything else (status, births, reported states, answers to commands, receipts) is
 * rare, changes nothing when it is stored twice, and may be said only once: every process takes it, so that it is lost
 * with none of them, and so that retained messages come, which brokers do not send to a group.
 */
const shared: ReadonlySet<string> = new Set([
  fleetFilter('sighting'),
  fleetFilter('health/window'),
  fleetFilter('health'),
]);

/** Which of the fleet's filters this process shares with others. */
export function sharedFilters({ mqtt }: Pick<CloudApiConfig, 'mqtt'>): GroupOfFilter {
  return (filter) => (shared.has(filter) ? mqtt.shared?.group : undefined);
}
