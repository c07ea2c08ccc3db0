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
    state: z
      .enum(['published', 'staged'])
      .describe('`staged`: it waits for signatures by offline keys, and is published with the last of them.'),
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

const variantSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .optional()
  .describe('Digest of a variant.');

export const newReleaseSchema = z
  .object({
    version: z
      .string()
      .max(100)
      .regex(/^\d+\.\d+\.\d+(?:-[0-9a-z.-]+)?$/)
      .describe('Never used before, by nobody: the signed files of all tenants lie together.'),
    base: versionSchema
      .optional()
      .describe('The release whose models stay where none is named. Default: the default release.'),
    models: z
      .object({
        detector: variantSchema,
        landmarks: variantSchema,
        embedder: variantSchema,
        presentationAttack: variantSchema,
      })
      .strict(),
  })
  .strict()
  .meta({ id: 'NewRelease' });
export type NewReleaseRequest = z.infer<typeof newReleaseSchema>;

/** What REST says of a release: the manifest without its self-test and pre-processing. */
export function releaseView(
  { version, digest, manifestTarget, manifest }: PublishedRelease,
  state: Release['state'] = 'published',
): Release {
  const { detector, landmarks, embedder, presentationAttack } = manifest;
  const tasks = { detector, landmarks, embedder, ...(presentationAttack ? { presentationAttack } : {}) };
  return {
    version,
    state,
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
