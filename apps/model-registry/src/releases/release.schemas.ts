import type { PublishedRelease } from '@sightline/release-trust';
import { z } from 'zod';

const modelSchema = z.object({
  target: z.string().describe('TUF target path.'),
  sha256: z.string(),
  bytes: z.number().int(),
  source: z.string(),
  licence: z.string(),
  trainingData: z.string(),
});

export const releaseSchema = z
  .object({
    version: z.string(),
    digest: z.string().describe('SHA-256 of the signed manifest.'),
    manifestTarget: z.string().describe('TUF target path of the manifest.'),
    createdAt: z.iso.datetime(),
    modelSpace: z.object({ id: z.string(), dimension: z.number().int() }),
    models: z.record(z.string(), modelSchema).describe('By task.'),
    thresholds: z.array(z.object({ falseMatchRate: z.number(), threshold: z.number() })),
    calibratedOn: z.string(),
  })
  .meta({ id: 'Release' });
export type Release = z.infer<typeof releaseSchema>;

export const releaseListSchema = z
  .object({ items: z.array(releaseSchema).describe('Newest first.') })
  .meta({ id: 'ReleaseList' });

export const versionSchema = z.string().min(1).max(100);

/** What REST says of a release: the manifest without its self-test and pre-processing. */
export function releaseView({ version, digest, manifestTarget, manifest }: PublishedRelease): Release {
  const { detector, landmarks, embedder, presentationAttack } = manifest;
  const tasks = { detector, landmarks, embedder, ...(presentationAttack ? { presentationAttack } : {}) };
  return {
    version,
    digest,
    manifestTarget,
    createdAt: manifest.createdAt,
    modelSpace: manifest.modelSpace,
    models: Object.fromEntries(
      Object.entries(tasks).map(([task, { target, sha256, bytes, provenance }]) => {
        const { source, licence, trainingData } = provenance;
        return [task, { target, sha256, bytes, source, licence, trainingData }];
      }),
    ),
    thresholds: manifest.calibration.points,
    calibratedOn: manifest.calibration.dataSet,
  };
}
