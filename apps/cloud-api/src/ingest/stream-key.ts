import type { DeviceAddress } from '@sightline/contracts';

/** A device as one string, for maps. Ids are slugs, so that the separator is safe. */
export const deviceKey = ({ tenantId, deviceId }: DeviceAddress): string => `${tenantId}/${deviceId}`;

/** An outbox stream of a device as one string, for maps. */
export const streamKey = (stream: DeviceAddress & { readonly streamId: string }): string =>
  `${deviceKey(stream)}/${stream.streamId}`;

/** Everything with distinct keys, the first of each, ordered by key: locks are taken in one order everywhere. */
export function distinctByKey<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const byKey = new Map<string, T>();
  for (const item of items) {
    const key = keyOf(item);
    if (!byKey.has(key)) byKey.set(key, item);
  }
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : Number(a > b))).map(([, item]) => item);
}
