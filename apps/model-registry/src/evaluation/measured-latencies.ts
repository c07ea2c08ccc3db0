import type { ReleaseManifest } from '@sightline/contracts';

import type { ClassBenchmark } from '../benchmarks/device-benchmarks.js';
import type { MeasuredLatency } from './choose-variant.js';

/** A release, as far as it says which files its boxes have measured. */
interface MeasuredRelease {
  readonly digest: string;
  readonly manifest: { readonly [Task in 'detector' | 'embedder']: Pick<ReleaseManifest[Task], 'sha256'> };
}

/**
 * What boxes have measured of the files of one task: they measure releases, and a file may be in several. Of those the
 * one that most boxes have measured counts.
 */
export function measuredLatencies(
  task: 'detector' | 'embedder',
  benchmarks: readonly ClassBenchmark[],
  releases: readonly MeasuredRelease[],
): MeasuredLatency[] {
  const found = new Map<string, MeasuredLatency>();
  for (const { deviceClass, provider, releaseDigest, devices, detectMs, embedMs } of benchmarks) {
    const variantDigest = releases.find(({ digest }) => digest === releaseDigest)?.manifest[task].sha256;
    if (variantDigest === undefined) continue;
    const key = JSON.stringify([deviceClass, provider, variantDigest]);
    if ((found.get(key)?.devices ?? 0) >= devices) continue;
    found.set(key, { deviceClass, provider, variantDigest, ms: task === 'embedder' ? embedMs : detectMs, devices });
  }
  return [...found.values()];
}
