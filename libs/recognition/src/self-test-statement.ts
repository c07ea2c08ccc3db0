import { releaseManifestSchema, type ReleaseManifest } from '@sightline/contracts';
import { createHash } from 'node:crypto';

/** Parsing puts members into the schema's order and fills in defaults, so that one statement has one form. */
const statementSchema = releaseManifestSchema.pick({
  modelSpace: true,
  detector: true,
  landmarks: true,
  embedder: true,
  presentationAttack: true,
  calibration: true,
});

/**
 * SHA-256 over what a manifest states of running its models and of deciding by them: which files, their
 * pre-processing, and the thresholds. No answer of a model tells whether a threshold is its own, so what was put
 * together when the self-test was made is held together by a digest.
 */
export function statementDigest(manifest: Omit<ReleaseManifest, 'selfTest'>): string {
  const { modelSpace, calibration, ...models } = statementSchema.parse(manifest);
  const stated = Object.entries(models).flatMap(([task, model]) =>
    model === undefined ? [] : [{ task, sha256: model.sha256, spec: model.spec }],
  );
  return createHash('sha256')
    .update(JSON.stringify({ modelSpace, models: stated, calibration }))
    .digest('hex');
}
