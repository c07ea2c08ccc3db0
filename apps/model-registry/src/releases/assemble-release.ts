import {
  releaseManifestSchema,
  type Calibration,
  type Provenance,
  type ReleaseManifest,
  type SelfTest,
} from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, isAppError, type Clock, type Sha256, type TenantId } from '@sightline/kernel';
import { modelTasks, type ModelTask } from '@sightline/model-catalog';
import { modelTarget, type Publication, type PublishedRelease, type ReleaseRepository } from '@sightline/release-trust';
import type { RequestCaller } from '@sightline/rest-server';
import { sql } from 'drizzle-orm';
import { createHash } from 'node:crypto';

import type { Audit } from '../audit/audit.js';
import { accuracyGate } from '../evaluation/choose-variant.js';
import { evaluationReportSchema, type EvaluationReport } from '../evaluation/index.js';
import type { BlobStore } from '../models/blob-store.js';
import type { DeployPolicies } from '../models/licence.js';
import type { Model, ModelVariant } from '../models/model-manifest.js';
import type { Models } from '../models/models.js';
import type { ComputeSelfTest } from './default-release.js';
import type { ReleaseLibrary } from './release-library.js';
import type { NewReleaseRequest } from './release.schemas.js';

/** Made without loss: they compute what their source does, up to rounding. */
const exactKinds = new Set(['imported', 'fp16', 'reparameterised']);

interface Chosen {
  readonly model: Model;
  readonly variant: ModelVariant;
}

export interface AssemblyParts {
  readonly database: Database;
  readonly audit: Audit;
  readonly models: Models;
  readonly blobs: BlobStore;
  readonly policies: DeployPolicies;
  readonly repository: ReleaseRepository;
  readonly library: ReleaseLibrary;
  readonly computeSelfTest: ComputeSelfTest;
  readonly clock: Pick<Clock, 'wallMs'>;
}

/** Makes releases out of variants, and knows whose they are. */
export class Releases {
  readonly #parts: AssemblyParts;

  constructor(parts: AssemblyParts) {
    this.#parts = parts;
  }

  /** What a tenant may see: its own, and those that are everybody's. Newest first. */
  async list(tenantId: TenantId): Promise<readonly PublishedRelease[]> {
    const { rows } = await this.#parts.database.db.execute<{ version: string }>(
      sql`SELECT version FROM registry.assembled_release WHERE tenant_id <> ${tenantId}`,
    );
    const others = new Set(rows.map(({ version }) => version));
    return this.#parts.library.all().filter(({ version }) => !others.has(version));
  }

  /** @throws AppError `RELEASE.NOT_FOUND` */
  async get(tenantId: TenantId, version: string): Promise<PublishedRelease> {
    const found = (await this.list(tenantId)).find((release) => release.version === version);
    if (found === undefined) throw new AppError('RELEASE.NOT_FOUND', 'There is no release of this version.');
    return found;
  }

  /**
   * Puts a release together, computes what a box must reproduce of it, and signs it: all of it or nothing.
   *
   * @throws AppError `MODEL.NOT_FOUND`, `MODEL.LICENCE_REFUSED`, `RELEASE.NOT_ASSEMBLED` when the parts do not fit,
   *   `RELEASE.VERSION_TAKEN`, `RELEASE.CORRUPT`, `RELEASE.KEY_INVALID`
   */
  async assemble(caller: RequestCaller, request: NewReleaseRequest): Promise<Publication> {
    const { repository, library, blobs } = this.#parts;
    const withoutSelfTest = await this.#manifestOf(caller.tenantId, request);
    await this.#parts.policies.assertMayDeploy(caller.tenantId, withoutSelfTest);
    const files = await this.#filesOf(withoutSelfTest);
    const selfTest = await this.#selfTestOf(withoutSelfTest, files);
    const manifest = releaseManifestSchema.parse({ ...withoutSelfTest, selfTest });
    const manifestBytes = Buffer.from(`${JSON.stringify(manifest)}\n`);
    // Whose it is stands there before it is signed: never is one of a tenant's for a moment everybody's.
    await this.#claim(caller, manifest, manifestBytes);
    const published = await repository.publish({
      manifestBytes,
      files: new Map([...files].map(([target, { sha256, path }]) => [target, path ?? blobs.path(sha256)])),
    });
    await library.refresh();
    return published;
  }

  async #claim(caller: RequestCaller, manifest: ReleaseManifest, manifestBytes: Uint8Array): Promise<void> {
    const { version } = manifest;
    const licences = modelTasks.flatMap((task) => manifest[task]?.provenance.licence ?? []);
    const digest = createHash('sha256').update(manifestBytes).digest('hex');
    const change = { action: 'release.assemble' as const, subject: { kind: 'release', id: version } };
    await this.#parts.audit.change(caller, change, async (tx) => {
      const { rowCount } = await tx.execute(
        sql`INSERT INTO registry.assembled_release VALUES (${version}, ${caller.tenantId}, ${digest},
              ${JSON.stringify(licences)}::jsonb, ${new Date(this.#parts.clock.wallMs())})
            ON CONFLICT (version) DO UPDATE SET digest = excluded.digest, licences = excluded.licences
            WHERE assembled_release.tenant_id = excluded.tenant_id`,
      );
      const isPublished = this.#parts.library.all().some((release) => release.version === version);
      if (rowCount === 0 || isPublished) {
        throw new AppError('RELEASE.VERSION_TAKEN', 'A release of this version exists.');
      }
    });
  }

  async #manifestOf(tenantId: TenantId, request: NewReleaseRequest): Promise<Omit<ReleaseManifest, 'selfTest'>> {
    const base = await this.#baseOf(tenantId, request.base);
    const models = await this.#modelsOf(tenantId, request);
    const embedder = models.get('embedder');
    return {
      formatVersion: 1,
      version: request.version,
      createdAt: new Date(this.#parts.clock.wallMs()).toISOString(),
      modelSpace: embedder ? spaceOf(embedder) : base.modelSpace,
      ...{ detector: base.detector, landmarks: base.landmarks, embedder: base.embedder },
      ...(base.presentationAttack && { presentationAttack: base.presentationAttack }),
      ...Object.fromEntries([...models].map(([task, chosen]) => [task, modelFileOf(chosen)])),
      calibration: embedder ? calibrationOf(embedder) : base.calibration,
    };
  }

  async #baseOf(tenantId: TenantId, version: string | undefined): Promise<ReleaseManifest> {
    const { manifest } = version === undefined ? this.#parts.library.default() : await this.get(tenantId, version);
    return manifest;
  }

  async #modelsOf(tenantId: TenantId, { models }: NewReleaseRequest): Promise<ReadonlyMap<ModelTask, Chosen>> {
    const chosen = new Map<ModelTask, Chosen>();
    for (const task of modelTasks) {
      const digest = models[task];
      if (digest === undefined) continue;
      const found = await this.#parts.models.byVariant(tenantId, digest);
      if (found.model.manifest.task !== task) {
        throw new AppError('RELEASE.NOT_ASSEMBLED', `The variant that is named as ${task} is of another task.`);
      }
      chosen.set(task, found);
    }
    return chosen;
  }

  /** Where the bytes of each model lie: with the blobs, or in the repository already. */
  async #filesOf(manifest: Omit<ReleaseManifest, 'selfTest'>): Promise<ReadonlyMap<string, ReleaseFile>> {
    const files = new Map<string, ReleaseFile>();
    for (const task of modelTasks) {
      const file = manifest[task];
      if (file === undefined) continue;
      const sha256 = file.sha256 as Sha256;
      const path = this.#parts.repository.pathOf(file.target, sha256);
      const isPublished = this.#parts.library.all().some((release) => release.manifest[task]?.target === file.target);
      files.set(file.target, { sha256, ...(isPublished && { path }) });
    }
    return files;
  }

  async #selfTestOf(
    manifest: Omit<ReleaseManifest, 'selfTest'>,
    files: ReadonlyMap<string, ReleaseFile>,
  ): Promise<SelfTest> {
    const bytes = new Map<string, Uint8Array>();
    for (const [target, { sha256, path }] of files) bytes.set(target, await this.#parts.blobs.read(sha256, path));
    return this.#parts
      .computeSelfTest(manifest, (target) => {
        const found = bytes.get(target);
        if (found === undefined) throw new Error(`the manifest names no file ${target}`);
        return found;
      })
      .catch((cause: unknown) => {
        if (isAppError(cause) && cause.retryable) throw cause;
        throw new AppError('RELEASE.NOT_ASSEMBLED', 'The models do not run together.', { cause });
      });
  }
}

interface ReleaseFile {
  readonly sha256: Sha256;
  /** Where it lies unless among the blobs. */
  readonly path?: string;
}

function modelFileOf({ model: { manifest, source }, variant }: Chosen): object {
  const { name, origin, licence, trainingData, note } = manifest;
  const rewriter = variant.kind === 'imported' ? 'import' : variant.kind;
  const provenance: Provenance = {
    ...{ name, source: origin, licence, trainingData, imported: { from: source, rewriter } },
    ...(note !== undefined && { note }),
  };
  const target = modelTarget(manifest.task, variant.digest as Sha256, `${manifest.task}-${variant.kind}.onnx`);
  return { target, sha256: variant.digest, bytes: variant.bytes, provenance, spec: manifest.spec };
}

function evaluationOf({ report }: ModelVariant): EvaluationReport | undefined {
  return evaluationReportSchema.optional().catch(undefined).parse(report.evaluation);
}

/**
 * The model space of an embedder's variant: the model's own where nothing was lost, or where an evaluation has measured
 * that its templates agree with its parent's; otherwise one of its own, whose templates are compared with no others.
 */
function spaceOf({ model, variant }: Chosen): ReleaseManifest['modelSpace'] {
  const { manifest } = model;
  if (manifest.task !== 'embedder') throw new Error('only an embedder has a model space');
  const evaluation = evaluationOf(variant);
  const agreement = evaluation?.task === 'embedder' ? evaluation.agreement : undefined;
  const isSame =
    exactKinds.has(variant.kind) || (agreement !== undefined && agreement.cosine.p1 >= accuracyGate.p1Cosine);
  const id = isSame ? manifest.modelSpace : `${manifest.modelSpace}-${variant.digest.slice(0, 12)}`;
  return { id, dimension: manifest.spec.dimension };
}

/** The thresholds of exactly this variant. Throws `RELEASE.NOT_ASSEMBLED` when nobody has measured them. */
function calibrationOf({ model: { manifest }, variant }: Chosen): Calibration {
  const evaluation = evaluationOf(variant);
  const measured = evaluation?.task === 'embedder' ? evaluation.calibration : undefined;
  const stated = manifest.task === 'embedder' ? manifest.calibration : undefined;
  const found = [measured, stated].find((calibration) => calibration?.variantDigest === variant.digest);
  if (found !== undefined) return found;
  throw new AppError(
    'RELEASE.NOT_ASSEMBLED',
    'No thresholds are known of this embedder variant: evaluate it (a job of the kind "evaluate"), or state them in its manifest.',
    { details: { variant: variant.digest } },
  );
}
