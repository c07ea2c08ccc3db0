import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import type { rest } from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import type { Jobs } from '@sightline/jobs';
import { AppError, isUuid, type Clock, type TenantId } from '@sightline/kernel';
import { openWithKey, sealWithKey } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, sql } from 'drizzle-orm';
import type { FastifyRequest } from 'fastify';

import type { CloudApiConfig } from '../../config.js';
import { decodeCursor, toPage, type PageQuery } from '../../http/page-cursor.js';
import { CLOCK, CONFIG, DATABASE, JOBS } from '../../platform/tokens.js';
import { enrolment, enrolmentRow } from '../../storage/people-schema.js';
import { enrolmentJob } from './enrolment-jobs.js';
import { EnrolmentFiles, enrolmentsOnDisk } from './enrolment-files.js';
import { newFileKey, receiveEnrolment } from './enrolment-intake.js';

/** Folder of the files, in the data directory. */
const FOLDER = 'enrolments';
/** No request arrives for longer. */
const LONGEST_UPLOAD_MS = 3_600_000;
/** Rows of a table of results that are read at once. */
const RESULTS = 1000;

const columns = {
  id: enrolment.id,
  state: enrolment.state,
  existing: enrolment.existing,
  rows: enrolment.rows,
  failureCode: enrolment.failureCode,
  createdAt: enrolment.createdAt,
  startedAt: enrolment.startedAt,
  finishedAt: enrolment.finishedAt,
  enrolled: sql<number>`(
    SELECT count(*)::int FROM cloud.enrolment_row AS own WHERE own.tenant_id = cloud.enrolment.tenant_id
      AND own.enrolment_id = cloud.enrolment.id AND own.code IS NULL
  )`,
  refused: sql<number>`(
    SELECT count(*)::int FROM cloud.enrolment_row AS own WHERE own.tenant_id = cloud.enrolment.tenant_id
      AND own.enrolment_id = cloud.enrolment.id AND own.code IS NOT NULL
  )`,
};

type EnrolmentView = Pick<
  typeof enrolment.$inferSelect,
  'id' | 'state' | 'existing' | 'rows' | 'failureCode' | 'createdAt' | 'startedAt' | 'finishedAt'
> & { readonly enrolled: number; readonly refused: number };

/** An enrolment by its id. */
export interface EnrolmentKey {
  readonly tenantId: TenantId;
  readonly id: string;
}

const byId = ({ tenantId, id }: EnrolmentKey) => and(eq(enrolment.tenantId, tenantId), eq(enrolment.id, id));
const keyContext = ({ tenantId, id }: EnrolmentKey): string => `sightline/enrolment/${tenantId}/${id}`;

/** Enrolments in bulk: what came, how far they are, and what became of each row. */
@Injectable()
export class BulkEnrolments {
  /** Where the files of enrolments lie on this machine. */
  readonly directory: string;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(JOBS) private readonly jobs: Jobs,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'dataDirectory' | 'keyEncryptionKey'>,
  ) {
    this.directory = join(config.dataDirectory, FOLDER);
  }

  /**
   * Takes in a table of people and their photos; they are enrolled by a job.
   *
   * @throws AppError `REQUEST.*`, `ENROLMENT.BAD_TABLE`, `ENROLMENT.BAD_ARCHIVE`
   */
  async receive(
    tenantId: TenantId,
    request: FastifyRequest,
    { existing }: rest.BulkEnrolmentQuery,
  ): Promise<rest.BulkEnrolment> {
    const key = { tenantId, id: randomUUID() };
    const fileKey = newFileKey();
    const files = this.filesOf(key, fileKey);
    try {
      await files.create();
      await receiveEnrolment(request, files);
      const rows = await countRows(files);
      const wrappedKey = sealWithKey(this.config.keyEncryptionKey, fileKey, keyContext(key));
      const createdAt = new Date(this.clock.wallMs());
      await this.database.db
        .insert(enrolment)
        .values({ ...key, state: 'waiting', existing, rows, wrappedKey, createdAt });
    } catch (error) {
      await files.remove();
      throw error;
    }
    await this.jobs.enqueue(enrolmentJob, key, { id: `enrolment-${key.id}` });
    return this.get(key);
  }

  /** @throws AppError `ENROLMENT.NOT_FOUND` */
  async get(key: EnrolmentKey): Promise<rest.BulkEnrolment> {
    const [row] = await this.database.db.select(columns).from(enrolment).where(byId(key));
    if (row === undefined) throw new AppError('ENROLMENT.NOT_FOUND', 'There is no enrolment with this id.');
    return toView(row);
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.BulkEnrolmentPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const rows = await this.database.db
      .select(columns)
      .from(enrolment)
      .where(
        and(
          eq(enrolment.tenantId, tenantId),
          after &&
            sql`(${enrolment.createdAt}, ${enrolment.id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(enrolment.createdAt), desc(enrolment.id))
      .limit(limit + 1);
    return toPage(rows, limit, { item: toView, cursor: ({ createdAt, id }) => ({ time: createdAt, id }) });
  }

  /** What became of rows, by their number. @throws AppError `ENROLMENT.NOT_FOUND` */
  async rows(key: EnrolmentKey, { after, limit, outcome }: rest.EnrolmentRowsQuery): Promise<rest.EnrolmentRowPage> {
    await this.get(key);
    const found = await this.database.db
      .select()
      .from(enrolmentRow)
      .where(
        and(
          eq(enrolmentRow.tenantId, key.tenantId),
          eq(enrolmentRow.enrolmentId, key.id),
          gt(enrolmentRow.row, after),
          outcome && (outcome === 'enrolled' ? isNull(enrolmentRow.code) : isNotNull(enrolmentRow.code)),
        ),
      )
      .orderBy(asc(enrolmentRow.row))
      .limit(limit + 1);
    const items = found.slice(0, limit).map(({ row, code, personId, templateId }) => ({
      row,
      ...{ outcome: code === null ? ('enrolled' as const) : ('refused' as const) },
      ...{ code, personId, faceId: templateId },
    }));
    return { items, nextAfter: found.length > limit ? (items.at(-1)?.row ?? null) : null };
  }

  /** All rows that are done, a page at a time. */
  async *allRows(key: EnrolmentKey): AsyncGenerator<rest.EnrolmentRow> {
    for (let after: number | null = 0; after !== null;) {
      const page: rest.EnrolmentRowPage = await this.rows(key, { after, limit: RESULTS });
      yield* page.items;
      after = page.nextAfter;
    }
  }

  /**
   * Stops an enrolment: rows that are done stay. Its files can be read no more from now on.
   *
   * @throws AppError `ENROLMENT.NOT_FOUND`
   */
  async cancel(key: EnrolmentKey): Promise<rest.BulkEnrolment> {
    await this.finish(key, { state: 'cancelled' });
    return this.get(key);
  }

  /** Ends an enrolment that has not ended, for good: its key goes, and the files on this machine. */
  async finish(
    key: EnrolmentKey,
    end: { readonly state: 'done' | 'cancelled' | 'failed'; readonly failureCode?: string },
  ): Promise<void> {
    const finishedAt = new Date(this.clock.wallMs());
    await inTransaction(this.database, async (tx) => {
      const unfinished = and(byId(key), inArray(enrolment.state, ['waiting', 'running']));
      // Rows that are being enrolled hold it: none is enrolled after it has ended.
      await tx
        .update(enrolment)
        .set({ ...end, finishedAt, wrappedKey: null })
        .where(unfinished);
    });
    await this.filesOf(key, new Uint8Array(0)).remove();
  }

  /** Removes the files on this machine of enrolments that have ended, and of uploads that never became one. */
  async removeLeftovers(): Promise<void> {
    for (const { id, createdAtMs } of await enrolmentsOnDisk(this.directory)) {
      const [row] = await this.database.db
        .select({ wrappedKey: enrolment.wrappedKey })
        .from(enrolment)
        .where(eq(enrolment.id, id));
      const isOver =
        row === undefined ? this.clock.wallMs() - createdAtMs > LONGEST_UPLOAD_MS : row.wrappedKey === null;
      if (isOver) await new EnrolmentFiles(join(this.directory, id), new Uint8Array(0)).remove();
    }
  }

  /** The key of an enrolment's files. @throws whatever the cipher says, under another key-encryption key */
  fileKey(key: EnrolmentKey, wrapped: Uint8Array): Uint8Array {
    return openWithKey(this.config.keyEncryptionKey, wrapped, keyContext(key));
  }

  filesOf({ id }: EnrolmentKey, fileKey: Uint8Array): EnrolmentFiles {
    return new EnrolmentFiles(join(this.directory, id), fileKey);
  }
}

async function countRows(files: EnrolmentFiles): Promise<number> {
  const open = await files.open();
  try {
    let rows = 0;
    for await (const { number } of open.rows()) rows = number;
    return rows;
  } finally {
    open.close();
  }
}

function toView({ createdAt, startedAt, finishedAt, ...row }: EnrolmentView): rest.BulkEnrolment {
  return {
    ...row,
    createdAt: createdAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
  };
}
