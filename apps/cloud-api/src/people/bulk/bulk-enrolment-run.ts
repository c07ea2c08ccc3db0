import { inTransaction, isUniqueViolation, type Database, type Transaction } from '@sightline/database';
import type { JobRun, Jobs } from '@sightline/jobs';
import {
  AppError,
  errorMessage,
  isAppError,
  type Clock,
  type ErrorCode,
  type Logger,
  type PersonId,
  type TenantId,
} from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, inArray, sql } from 'drizzle-orm';

import { Audit } from '../../audit/audit.js';
import type { CloudApiConfig } from '../../config.js';
import { GalleryFollower } from '../../identification/gallery-follower.js';
import { PersonalData } from '../../personal-data/personal-data.js';
import { CLOCK, CONFIG, DATABASE, JOBS, LOGGER } from '../../platform/tokens.js';
import { enrolment, enrolmentRow } from '../../storage/people-schema.js';
import { person } from '../../storage/schema.js';
import { Enrolment } from '../enrolment.js';
import { insertPerson, lockPerson } from '../person-store.js';
import { insertTemplates, sealNewTemplates } from '../template-store.js';
import { BulkEnrolments, type EnrolmentKey } from './bulk-enrolments.js';
import type { EnrolmentFiles, OpenEnrolment } from './enrolment-files.js';
import { enrolmentJob, enrolmentUpkeep, type EnrolmentJob } from './enrolment-jobs.js';
import type { NumberedRow, TableRow } from './people-table.js';

/** How often work that nobody does is looked for, ms. */
const UPKEEP_MS = 30_000;
/** How soon another machine is given the chance that has the files, ms. */
const ELSEWHERE_MS = 2000;
/** A row whose external id somebody takes at the same moment is tried again. */
const STORE_ATTEMPTS = 3;
/** Who the audit says has enrolled a row. */
const ACTOR = 'system:enrolment';

/** The enrolment was cancelled, or another process has finished it. */
const ENDED: ErrorCode = 'ENROLMENT.ENDED';

/** One run of an enrolment. */
interface Run extends EnrolmentKey {
  readonly existing: 'refuse' | 'add';
  readonly files: EnrolmentFiles;
  readonly open: OpenEnrolment;
  readonly signal: AbortSignal;
}

interface MadeRow {
  readonly number: number;
  readonly content: TableRow;
  readonly template: Template;
  readonly photoMac: Uint8Array;
}

/** Somebody made for a row, with keys that are durable already. */
type NewPerson = Awaited<ReturnType<PersonalData['newPeople']>>[number];

/**
 * Enrols the rows of an enrolment in bulk.
 *
 * Invariant: what a row brings into the database and that it is done are committed together, so that whoever goes on
 * after a death, or works on the same enrolment at the same time, enrols nobody twice.
 */
@Injectable()
export class BulkEnrolmentRun {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'inferenceWorkers'>,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(JOBS) private readonly jobs: Jobs,
    private readonly enrolments: BulkEnrolments,
    private readonly faces: Enrolment,
    private readonly personalData: PersonalData,
    private readonly follower: GalleryFollower,
    private readonly audit: Audit,
  ) {
    jobs.handle(enrolmentJob, (run) => this.run(run), { concurrency: 2 });
    jobs.handle(enrolmentUpkeep, () => this.#upkeep());
    jobs.schedule(enrolmentUpkeep, { everyMs: UPKEEP_MS });
  }

  /** Enrols what is not done yet; a run that is cut short is taken up by the next. */
  async run({ data: key, signal }: Pick<JobRun<EnrolmentJob>, 'data' | 'signal'>): Promise<void> {
    const [row] = await this.database.db.select().from(enrolment).where(byId(key));
    if (row === undefined || row.wrappedKey === null) return;
    const files = this.enrolments.filesOf(key, this.enrolments.fileKey(key, row.wrappedKey));
    if (!(await files.exists())) {
      // They are on the disk of the machine that took them in, which runs jobs too.
      await this.jobs.enqueue(enrolmentJob, key, { delayMs: ELSEWHERE_MS });
      return;
    }
    await this.database.db
      .update(enrolment)
      .set({ state: 'running', startedAt: row.startedAt ?? new Date(this.clock.wallMs()) })
      .where(and(byId(key), eq(enrolment.state, 'waiting')));
    try {
      await this.#open({ ...key, existing: row.existing, files, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!isAppError(error) || error.retryable) throw error;
      if (error.code !== ENDED) await this.enrolments.finish(key, { state: 'failed', failureCode: error.code });
      return;
    }
    await this.enrolments.finish(key, { state: 'done' });
  }

  async #open(run: Omit<Run, 'open'>): Promise<void> {
    const open = await run.files.open();
    try {
      await this.#rows({ ...run, open });
    } finally {
      open.close();
    }
  }

  async #rows(whole: Run): Promise<void> {
    const failed = new AbortController();
    const run = { ...whole, signal: AbortSignal.any([whole.signal, failed.signal]) };
    const waiting = rowsWithout(run.open.rows(), await this.#doneRows(run));
    // As many at once as faces are looked for at once, and one more whose photo is decoded meanwhile.
    const lanes = Array.from({ length: this.config.inferenceWorkers + 1 }, async () => {
      let version = 0;
      try {
        for (let next = await waiting(); next !== undefined; next = await waiting()) {
          run.signal.throwIfAborted();
          version = Math.max(version, await this.#row(run, next));
        }
      } catch (error) {
        failed.abort(error);
        throw error;
      }
      return version;
    });
    // None of them is left working when one has failed.
    const versions: number[] = [];
    for (const lane of await Promise.allSettled(lanes)) {
      if (lane.status === 'fulfilled') versions.push(lane.value);
    }
    run.signal.throwIfAborted();
    await this.follower.passed(Math.max(...versions));
  }

  /** @returns the version of the gallery that has the row's template; 0: none was enrolled */
  async #row(run: Run, { number, content }: NumberedRow): Promise<number> {
    try {
      if (content === null) throw new AppError('ENROLMENT.BAD_ROW', 'The row does not say who is to be enrolled.');
      const photo = await run.open.photo(content.photo);
      const turn = { client: `enrolment/${run.id}`, signal: run.signal };
      const template = await this.faces.templateOf(run.tenantId, photo, turn);
      const photoMac = run.files.macOf(photo);
      return await this.#enrol(run, { number, content, template, photoMac });
    } catch (error) {
      run.signal.throwIfAborted();
      if (isAppError(error) && (error.retryable || error.code === ENDED)) throw error;
      if (!isAppError(error))
        this.log.error({ row: number, error: errorMessage(error) }, 'a row could not be enrolled');
      await this.#refuse(run, number, isAppError(error) ? error.code : 'SERVICE.INTERNAL');
      return 0;
    }
  }

  async #enrol(run: Run, made: MadeRow): Promise<number> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#store(run, made);
      } catch (error) {
        const isRace = isAppError(error, 'PERSON.DUPLICATE_EXTERNAL_ID') && error.cause !== undefined;
        if (!isRace || attempt === STORE_ATTEMPTS) throw error;
      }
    }
  }

  async #store(run: Run, { number, content, template, photoMac }: MadeRow): Promise<number> {
    const { tenantId } = run;
    const createdAt = new Date(this.clock.wallMs());
    const known = await this.#personOf(run, content.externalId);
    const created = known === undefined ? await this.#newPerson(tenantId, content) : undefined;
    const personId = known ?? created?.id;
    if (personId === undefined) throw new AppError('SERVICE.INTERNAL', 'Nobody was made.');
    const sealed = await sealNewTemplates(this.personalData, [{ tenantId, personId, template, createdAt }]);
    return inTransaction(this.database, async (tx) => {
      await assertRunning(tx, run);
      if (await isDone(tx, run, number)) return 0;
      if (created === undefined) await lockPerson(tx, { tenantId, personId }, 'key share');
      else await insertPerson(tx, { ...created, sites: content.sites, groups: content.groups, createdAt });
      const version = await insertTemplates(tx, sealed, createdAt);
      const done = {
        tenantId,
        enrolmentId: run.id,
        row: number,
        personId,
        templateId: sealed[0]?.id ?? null,
        photoMac,
      };
      await photoIsNew(() => tx.insert(enrolmentRow).values(done));
      // Who had it enrolled is in the entry of the enrolment.
      const entry = { tenantId, actor: ACTOR, subject: { kind: 'person', id: personId } };
      if (created !== undefined) await this.audit.record(tx, { ...entry, action: 'person.create' });
      await this.audit.record(tx, { ...entry, action: 'person.enrol' });
      return version;
    });
  }

  /** Whoever has the external id already; made by another row of this enrolment, or before. */
  async #personOf(run: Run, externalId: string | undefined): Promise<PersonId | undefined> {
    if (externalId === undefined) return undefined;
    const [found] = await this.database.db
      .select({
        id: person.id,
        isOwn: sql<boolean>`EXISTS (SELECT 1 FROM cloud.enrolment_row AS own WHERE own.tenant_id = ${run.tenantId}
          AND own.enrolment_id = ${run.id} AND own.person_id = ${person.id})`,
      })
      .from(person)
      .where(
        and(
          eq(person.tenantId, run.tenantId),
          eq(person.externalIdIndex, this.personalData.index.externalId(run.tenantId, externalId)),
        ),
      );
    if (found === undefined || found.isOwn || run.existing === 'add') return found?.id;
    throw new AppError('PERSON.DUPLICATE_EXTERNAL_ID', 'Another person has this external id.');
  }

  async #newPerson(tenantId: TenantId, { name, externalId }: TableRow): Promise<NewPerson | undefined> {
    const [made] = await this.personalData.newPeople(tenantId, [{ name, externalId: externalId ?? null }]);
    return made;
  }

  async #refuse(run: Run, number: number, code: ErrorCode): Promise<void> {
    await inTransaction(this.database, async (tx) => {
      await assertRunning(tx, run);
      await tx
        .insert(enrolmentRow)
        .values({ tenantId: run.tenantId, enrolmentId: run.id, row: number, code })
        .onConflictDoNothing();
    });
  }

  async #doneRows({ tenantId, id }: EnrolmentKey): Promise<ReadonlySet<number>> {
    const rows = await this.database.db
      .select({ row: enrolmentRow.row })
      .from(enrolmentRow)
      .where(and(eq(enrolmentRow.tenantId, tenantId), eq(enrolmentRow.enrolmentId, id)));
    return new Set(rows.map(({ row }) => row));
  }

  async #upkeep(): Promise<void> {
    const unfinished = await this.database.db
      .select({ tenantId: enrolment.tenantId, id: enrolment.id })
      .from(enrolment)
      .where(inArray(enrolment.state, ['waiting', 'running']));
    for (const key of unfinished) await this.jobs.enqueue(enrolmentJob, key, { id: `enrolment-${key.id}` });
    await this.enrolments.removeLeftovers();
  }
}

const byId = ({ tenantId, id }: EnrolmentKey) => and(eq(enrolment.tenantId, tenantId), eq(enrolment.id, id));

/** The rows that are not done, to whoever asks next. */
function rowsWithout(
  rows: AsyncIterable<NumberedRow>,
  done: ReadonlySet<number>,
): () => Promise<NumberedRow | undefined> {
  // A generator answers in the order in which it is asked, also while it is busy.
  const iterator = rows[Symbol.asyncIterator]();
  return async () => {
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return undefined;
      if (!done.has(next.value.number)) return next.value;
    }
  };
}

/** Keeps the enrolment from ending until the transaction does. @throws AppError `ENROLMENT.ENDED` */
async function assertRunning(tx: Transaction, run: EnrolmentKey): Promise<void> {
  const [found] = await tx.select({ state: enrolment.state }).from(enrolment).where(byId(run)).for('share');
  if (found?.state !== 'running') throw new AppError(ENDED, 'The enrolment has ended.');
}

async function isDone(tx: Transaction, { tenantId, id }: EnrolmentKey, number: number): Promise<boolean> {
  const own = and(eq(enrolmentRow.tenantId, tenantId), eq(enrolmentRow.enrolmentId, id), eq(enrolmentRow.row, number));
  return (await tx.select({ row: enrolmentRow.row }).from(enrolmentRow).where(own)).length > 0;
}

/** @throws AppError `ENROLMENT.DUPLICATE_PHOTO` in the place of the database's refusal */
async function photoIsNew(store: () => PromiseLike<unknown>): Promise<void> {
  try {
    await store();
  } catch (error) {
    if (!isUniqueViolation(error, 'enrolment_row_photo')) throw error;
    throw new AppError('ENROLMENT.DUPLICATE_PHOTO', 'Another row has the same photo.', { cause: error });
  }
}
