import type { Database, Transaction } from '@sightline/database';
import { AppError, isSha256, type Clock, type Sha256, type TenantId } from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import { sql } from 'drizzle-orm';
import { randomUUID } from 'node:crypto';

import type { Audit } from '../audit/audit.js';
import type { Blob, BlobStore } from './blob-store.js';
import { useAllowedBy } from './licence.js';
import {
  modelManifestSchema,
  type Model,
  type ModelVariant,
  type NewModel,
  type VariantKind,
} from './model-manifest.js';

/** A variant that was made, and how. */
export interface NewVariant {
  readonly modelId: string;
  readonly blob: Blob;
  readonly kind: VariantKind;
  readonly parent: Sha256 | undefined;
  readonly report: Readonly<Record<string, unknown>>;
}

interface ModelRow extends Record<string, unknown> {
  readonly id: string;
  readonly manifest: unknown;
  readonly source: string;
  readonly createdAt: string;
  readonly variants: readonly ModelVariant[];
}

const LIST_LIMIT = 500;
/** JSON's own form of a moment, as REST tells it. */
const iso = (column: string) => sql.raw(`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);

/** The models of each tenant, their files and variants. */
export class Models {
  readonly #database: Database;
  readonly #blobs: BlobStore;
  readonly #audit: Audit;
  readonly #clock: Pick<Clock, 'wallMs'>;

  constructor(parts: {
    readonly database: Database;
    readonly blobs: BlobStore;
    readonly audit: Audit;
    readonly clock: Pick<Clock, 'wallMs'>;
  }) {
    this.#database = parts.database;
    this.#blobs = parts.blobs;
    this.#audit = parts.audit;
    this.#clock = parts.clock;
  }

  /** Says that a tenant has brought a file. */
  async uploaded(caller: RequestCaller, { sha256, bytes }: Blob): Promise<void> {
    const subject = { kind: 'blob', id: sha256 };
    await this.#audit.change(caller, { action: 'blob.upload', subject }, (tx) =>
      tx.execute(
        sql`INSERT INTO registry.blob_upload VALUES (${caller.tenantId}, ${sha256}, ${bytes}, ${this.#now()})
            ON CONFLICT (tenant_id, digest) DO UPDATE SET uploaded_at = excluded.uploaded_at`,
      ),
    );
  }

  /**
   * Makes a model of a file that the tenant has uploaded, or that its job will fetch (`hasFile: false`); it has no variant until its import has succeeded.
   *
   * @param begin what else belongs to the transaction: its import job
   * @throws AppError `MODEL.FILE_MISSING`
   */
  async create<T>(
    caller: RequestCaller,
    { manifest, source, hasFile }: NewModel & { readonly hasFile: boolean },
    begin: (tx: Transaction, modelId: string) => Promise<T>,
  ): Promise<{ readonly model: Model; readonly begun: T }> {
    const id = randomUUID();
    const subject = { kind: 'model', id };
    const begun = await this.#audit.change(caller, { action: 'model.import', subject }, async (tx) => {
      const { rows } = await tx.execute(
        sql`SELECT 1 FROM registry.blob_upload WHERE tenant_id = ${caller.tenantId} AND digest = ${source}`,
      );
      if (hasFile && rows.length === 0) {
        throw new AppError('MODEL.FILE_MISSING', 'Upload the file first: PUT /v1/blobs/{sha256}.');
      }
      await tx.execute(
        sql`INSERT INTO registry.model VALUES (${id}, ${caller.tenantId}, ${manifest.task},
              ${JSON.stringify(manifest)}::jsonb, ${source}, ${this.#now()})`,
      );
      return begin(tx, id);
    });
    return { model: await this.get(caller.tenantId, id), begun };
  }

  /** Newest first. */
  async list(tenantId: TenantId): Promise<readonly Model[]> {
    return this.#read(sql`tenant_id = ${tenantId}`);
  }

  /** @throws AppError `MODEL.NOT_FOUND` */
  async get(tenantId: TenantId, id: string): Promise<Model> {
    const [model] = await this.#read(sql`tenant_id = ${tenantId} AND id = ${id}`);
    if (model === undefined) throw new AppError('MODEL.NOT_FOUND', 'There is no such model.');
    return model;
  }

  /** The model that has a variant. Throws `MODEL.NOT_FOUND`. */
  async byVariant(
    tenantId: TenantId,
    digest: string,
  ): Promise<{ readonly model: Model; readonly variant: ModelVariant }> {
    const models = await this.#read(
      sql`tenant_id = ${tenantId} AND id IN (SELECT model_id FROM registry.model_variant WHERE digest = ${digest})`,
    );
    const [model] = models;
    const variant = model?.variants.find((found) => found.digest === digest);
    if (model === undefined || variant === undefined) {
      throw new AppError('MODEL.NOT_FOUND', 'There is no such variant.', { details: { digest } });
    }
    return { model, variant };
  }

  /** Idempotent: a job that runs twice makes the same bytes. */
  async addVariant(tx: Transaction, { modelId, blob, kind, parent, report }: NewVariant): Promise<void> {
    await tx.execute(
      sql`INSERT INTO registry.model_variant VALUES (${modelId}, ${blob.sha256}, ${blob.bytes}, ${kind},
            ${parent ?? null}, ${JSON.stringify(report)}::jsonb, ${this.#now()})
          ON CONFLICT (model_id, digest) DO UPDATE SET report = model_variant.report || excluded.report`,
    );
  }

  /** Adds to what is known of a variant. */
  async addToReport(
    tx: Transaction,
    { modelId, digest }: { readonly modelId: string; readonly digest: string },
    report: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    await tx.execute(
      sql`UPDATE registry.model_variant SET report = report || ${JSON.stringify(report)}::jsonb
          WHERE model_id = ${modelId} AND digest = ${digest}`,
    );
  }

  /** @throws AppError `MODEL.NOT_FOUND` */
  async remove(caller: RequestCaller, id: string): Promise<void> {
    await this.#audit.change(caller, { action: 'model.delete', subject: { kind: 'model', id } }, async (tx) => {
      const { rowCount } = await tx.execute(
        sql`DELETE FROM registry.model WHERE tenant_id = ${caller.tenantId} AND id = ${id}`,
      );
      if (rowCount === 0) throw new AppError('MODEL.NOT_FOUND', 'There is no such model.');
    });
  }

  /** Deletes files that no model, variant or upload of the last day names. @returns how many */
  async collectBlobs(): Promise<number> {
    const dayAgo = new Date(this.#clock.wallMs() - 24 * 3_600_000);
    const { rows } = await this.#database.db.execute<{ digest: string }>(
      sql`SELECT source AS digest FROM registry.model UNION SELECT digest FROM registry.model_variant
          UNION SELECT digest FROM registry.blob_upload WHERE uploaded_at > ${dayAgo}`,
    );
    return this.#blobs.collect(new Set(rows.map(({ digest }) => digest)), this.#clock.wallMs());
  }

  async #read(where: ReturnType<typeof sql>): Promise<Model[]> {
    const { rows } = await this.#database.db.execute<ModelRow>(
      sql`SELECT id, manifest, source, ${iso('created_at')} AS "createdAt",
            (SELECT coalesce(json_agg(json_build_object('digest', digest, 'bytes', bytes, 'kind', kind, 'parent', parent,
               'report', report, 'createdAt', ${iso('v.created_at')}) ORDER BY v.created_at, digest), '[]')
             FROM registry.model_variant v WHERE v.model_id = model.id) AS variants
          FROM registry.model WHERE ${where} ORDER BY created_at DESC, id DESC LIMIT ${LIST_LIMIT}`,
    );
    return rows.map(({ manifest, ...row }) => {
      const read = modelManifestSchema.parse(manifest);
      return { ...row, variants: [...row.variants], manifest: read, use: useAllowedBy(read.licence) };
    });
  }

  #now(): Date {
    return new Date(this.#clock.wallMs());
  }
}

/** The variant that a job or a release asks for: by its digest, or the imported one. Throws `MODEL.NOT_FOUND`. */
export function variantOf({ variants }: Model, digest: string | undefined): ModelVariant & { readonly digest: Sha256 } {
  const found = variants.find((variant) =>
    digest === undefined ? variant.kind === 'imported' : variant.digest === digest,
  );
  if (found === undefined || !isSha256(found.digest)) {
    throw new AppError('MODEL.NOT_FOUND', 'The model has no such variant, or is not imported yet.');
  }
  return { ...found, digest: found.digest };
}
