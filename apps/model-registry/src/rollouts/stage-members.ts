import { createHash } from 'node:crypto';

import type { FleetDevice, ReleaseRef, RolloutPlan, Selector } from './rollout.js';
import { deviceKey } from './rollout.js';

/** Percentages are whole tenths: 1000 tenths are all. */
const TENTHS = 1000;

/** Whether a selector names a device of the rollout's tenant. */
export function isSelected(
  { deviceIds, deviceClasses }: Selector,
  { deviceId, deviceClass }: Pick<FleetDevice, 'deviceId' | 'deviceClass'>,
): boolean {
  return (deviceClasses?.includes(deviceClass) ?? true) && (deviceIds?.includes(deviceId) ?? true);
}

/** The release that a rollout has for a device. */
export function releaseFor(
  { releases }: Pick<RolloutPlan, 'releases'>,
  { deviceClass }: Pick<FleetDevice, 'deviceClass'>,
): ReleaseRef | undefined {
  return Object.hasOwn(releases.byDeviceClass, deviceClass) ? releases.byDeviceClass[deviceClass] : releases.otherwise;
}

/**
 * How many devices a stage and those before it have: the exact share, rounded up, so that a stage of a small fleet is
 * not empty.
 *
 * @param devices how many the rollout could have
 * @param stage index
 */
export function quotaOf({ percentage, stages }: RolloutPlan, stage: number, devices: number): number {
  const tenths = (percent: number): number => Math.round(percent * 10);
  const open = stages[stage]?.percentage ?? 0;
  return Math.ceil((devices * tenths(percentage) * tenths(open)) / (TENTHS * TENTHS));
}

/**
 * Devices in the order in which a rollout takes them: by a hash of its id and theirs, so that every process comes to the
 * same order, and no device is always among the first.
 */
export function inOrder<Device extends FleetDevice>(rolloutId: string, devices: readonly Device[]): readonly Device[] {
  const ranked = devices.map((device) => ({ device, rank: rankOf(rolloutId, deviceKey(device)) }));
  return ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1)).map(({ device }) => device);
}

function rankOf(rolloutId: string, key: string): string {
  return createHash('sha256').update(`${rolloutId}/${key}`).digest('hex');
}
