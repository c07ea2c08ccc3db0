import type { Metrics, MetricSample } from '@sightline/observability';

import type { LocalCacheStatus } from './local-cache.js';

type Read = (status: LocalCacheStatus) => Iterable<MetricSample>;

/** Metrics of the local cache. A box without one reports none of them. */
export function describeCache(metrics: Metrics, status: () => LocalCacheStatus | null): void {
  const reading = (read: Read) => ({
    read: () => {
      const current = status();
      return current ? read(current) : [];
    },
  });
  metrics.gauge({
    name: 'sightline_edge_cache_ready',
    help: '1 while somebody is held and the lease holds.',
    ...reading(({ state }) => [{ value: Number(state === 'ready') }]),
  });
  metrics.gauge({
    name: 'sightline_edge_cache_people',
    help: 'People whom the box knows by itself.',
    ...reading(({ people }) => [{ value: people }]),
  });
  metrics.gauge({
    name: 'sightline_edge_cache_templates',
    help: 'Templates of these people.',
    ...reading(({ templates }) => [{ value: templates }]),
  });
  metrics.gauge({
    name: 'sightline_edge_cache_lease_expiry_seconds',
    help: 'When the lease ends, seconds since 1970 by the cloud’s clock.',
    ...reading(({ leaseExpiresAt }) => (leaseExpiresAt ? [{ value: Date.parse(leaseExpiresAt) / 1000 }] : [])),
  });
  metrics.gauge({
    name: 'sightline_edge_cache_often_contradicted',
    help: 'People whom the cloud contradicted the box about three times or more.',
    ...reading(({ oftenContradicted }) => [{ value: oftenContradicted }]),
  });
  describeCounts(metrics, status);
}

function describeCounts(metrics: Metrics, status: () => LocalCacheStatus | null): void {
  metrics.counter({
    name: 'sightline_edge_cache_deltas_total',
    help: 'Changes of the cache, by what became of them: applied, repeated, or the code of the refusal.',
    labels: ['outcome'],
    read: () => {
      const current = status();
      if (!current) return [];
      const { applied, repeated, refused } = current.deltas;
      const outcomes = Object.entries({ applied, repeated, ...refused });
      return outcomes.map(([outcome, value]) => ({ value, labels: { outcome } }));
    },
  });
  metrics.counter({
    name: 'sightline_edge_cache_matches_total',
    help: 'Sightings by what the box decided or why it did not, and by how that compares with the cloud.',
    labels: ['outcome'],
    read: () => {
      const current = status();
      return current
        ? Object.entries(current.matches).map(([outcome, value]) => ({ value: Number(value), labels: { outcome } }))
        : [];
    },
  });
}
