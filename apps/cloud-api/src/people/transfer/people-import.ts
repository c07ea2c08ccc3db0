import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, Transform, type Readable } from 'node:stream';

import { rest } from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import { AppError, isAppError, type Clock, type PersonId, type TenantId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import type { CloudApiConfig } from '../../config.js';
import { fromRestTemplate } from '../../faces/wire.js';
import { GalleryFollower } from '../../identification/gallery-follower.js';
import { templatesOfPerson } from '../../identification/stored-templates.js';
import { PersonalData } from '../../personal-data/personal-data.js';
import { CLOCK, CONFIG, DATABASE } from '../../platform/tokens.js';
import { personGroup, personOrigin } from '../../storage/people-schema.js';
import { newFileKey } from '../bulk/enrolment-intake.js';
import { openSealed, writeSealed } from '../bulk/sealed-file.js';
import { insertPerson, lockPerson } from '../person-store.js';
import { TemplateAdmission } from '../template-admission.js';
import { insertTemplates, isSameTemplate, sealNewTemplates } from '../template-store.js';
import { linesOf } from './transfer-lines.js';

const FOLDER = 'imports';
const FILE_BYTES = 4 * 1024 * 1024 * 1024;
/** Refusals that are told; the others are counted. */
const TOLD = 100;

type PersonLine = Extract<rest.TransferLine, { kind: 'person' }>;

/** What has become of a file so far. */
interface Progress {
  readonly tenantId: TenantId;
  readonly result: rest.ImportResult;
  /** Of the gallery, with the last template that was added. */
  version: number;
}

/** Takes in files that {@link PeopleExport} gave out. */
@Injectable()
export class PeopleImport {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'dataDirectory'>,
    private readonly personalData: PersonalData,
    private readonly follower: GalleryFollower,
    private readonly admission: TemplateAdmission,
  ) {}

  /**
   * Adds the people of a file who are not there, by external id or by their id in the file, and the templates that
   * they don't have; whoever is there is not changed otherwise. The same file again changes nothing, so that an import
   * that was cut short is repeated.
   *
   * @throws AppError `IMPORT.INVALID`, `TEMPLATE.FOREIGN_SPACE`, `TEMPLATE.FOREIGN_KEY`, `REQUEST.*`,
   *   `RELEASE.UNAVAILABLE`
   */
  async take(tenantId: TenantId, content: Readable): Promise<rest.ImportResult> {
    // All of it arrives first: a request has two minutes for that, and its people may take longer.
    const folder = join(this.config.dataDirectory, FOLDER);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const [path, key] = [join(folder, randomUUID()), newFileKey()];
    try {
      await writeSealed(path, key, bounded(content)).catch((error: unknown) => {
        if (isAppError(error)) throw error;
        throw new AppError('REQUEST.INVALID', 'The file did not arrive whole.', { cause: error });
      });
      return await this.#import(tenantId, (await openSealed(path, key)).read());
    } finally {
      await rm(path, { force: true });
    }
  }

  async #import(tenantId: TenantId, content: Readable): Promise<rest.ImportResult> {
    const result: rest.ImportResult = { added: 0, completed: 0, unchanged: 0, templates: 0, refused: 0, refusals: [] };
    const progress: Progress = { tenantId, result, version: 0 };
    let [hasHead, people, promised]: [boolean, number, number | undefined] = [false, 0, undefined];
    for await (const [number, text] of linesOf(content)) {
      const line = rest.transferLineSchema.safeParse(parseJson(text));
      if (!hasHead) {
        if (line.data?.kind !== 'head') throw invalid('The file begins with no head of an export.');
        await this.#assertOurs(tenantId, line.data);
        hasHead = true;
      } else if (!line.success) refuse(result, number, 'REQUEST.INVALID');
      else if (line.data.kind === 'group') await this.#group(tenantId, line.data.group);
      else if (line.data.kind === 'end') promised = line.data.people;
      else if (line.data.kind === 'person') {
        people += 1;
        await this.#person(progress, number, line.data);
      }
    }
    await this.follower.passed(progress.version);
    if (promised === undefined || promised > people + result.refused) {
      throw invalid('The file is not whole: what it has was imported.');
    }
    return result;
  }

  /** @throws AppError `TEMPLATE.FOREIGN_SPACE`, `TEMPLATE.FOREIGN_KEY` */
  async #assertOurs(tenantId: TenantId, head: Extract<rest.TransferLine, { kind: 'head' }>): Promise<void> {
    const { spaceId, keyId } = await this.admission.current(tenantId);
    if (head.modelSpace !== spaceId) {
      throw new AppError('TEMPLATE.FOREIGN_SPACE', 'The file was made with the models of another space.');
    }
    if (head.keyId !== keyId) {
      throw new AppError('TEMPLATE.FOREIGN_KEY', 'The file was made under another template key.');
    }
  }

  async #group(tenantId: TenantId, { id: slug, ...group }: rest.CreateGroup): Promise<void> {
    const createdAt = new Date(this.clock.wallMs());
    await this.database.db
      .insert(personGroup)
      .values({ tenantId, slug, ...group, createdAt })
      .onConflictDoNothing();
  }

  async #person(progress: Progress, number: number, line: PersonLine): Promise<void> {
    const { tenantId, result } = progress;
    try {
      const templates = await this.#admissible(progress, number, line);
      const known = await this.#known(tenantId, line);
      const added = known === undefined ? await this.#add(progress, line, templates) : 0;
      const completed = known === undefined ? 0 : await this.#complete(progress, known, templates);
      if (known === undefined) result.added += 1;
      else if (completed > 0) result.completed += 1;
      else result.unchanged += 1;
      result.templates += added + completed;
    } catch (error) {
      if (!isAppError(error) || error.retryable) throw error;
      refuse(result, number, error.code);
    }
  }

  /** The templates of a line that may be enrolled; the others are told. */
  async #admissible({ tenantId, result }: Progress, number: number, line: PersonLine): Promise<readonly Template[]> {
    const taken: Template[] = [];
    for (const sent of line.templates) {
      const template = toTemplate(sent);
      try {
        await this.admission.assertAdmissible(tenantId, template);
        taken.push(template);
      } catch (error) {
        if (!isAppError(error) || error.retryable) throw error;
        refuse(result, number, error.code);
      }
    }
    return taken;
  }

  /** Whoever the line is about, if they are there. */
  async #known(tenantId: TenantId, { id, externalId }: PersonLine): Promise<PersonId | undefined> {
    const index = externalId === null ? null : this.personalData.index.externalId(tenantId, externalId);
    const { rows } = await this.database.db.execute<{ readonly id: PersonId }>(
      index === null
        ? sql`SELECT coalesce(
            (SELECT person_id FROM cloud.person_origin WHERE tenant_id = ${tenantId} AND origin_id = ${id}),
            (SELECT id FROM cloud.person WHERE tenant_id = ${tenantId} AND id = ${id})) AS id`
        : sql`SELECT id FROM cloud.person WHERE tenant_id = ${tenantId} AND external_id_index = ${Buffer.from(index)}`,
    );
    return rows[0]?.id ?? undefined;
  }

  async #add(progress: Progress, line: PersonLine, templates: readonly Template[]): Promise<number> {
    const { tenantId } = progress;
    const { name, externalId, sites, groups } = line;
    const [made] = await this.personalData.newPeople(tenantId, [{ name, externalId }]);
    if (made === undefined) throw new AppError('SERVICE.INTERNAL', 'Nobody was made.');
    const createdAt = new Date(this.clock.wallMs());
    const rows = await sealNewTemplates(
      this.personalData,
      templates.map((template) => ({ tenantId, personId: made.id, template, createdAt })),
    );
    progress.version = await inTransaction(this.database, async (tx) => {
      await insertPerson(tx, { ...made, sites, groups, createdAt });
      await tx
        .insert(personOrigin)
        .values({ tenantId, originId: line.id, personId: made.id })
        .onConflictDoUpdate({ target: [personOrigin.tenantId, personOrigin.originId], set: { personId: made.id } });
      return insertTemplates(tx, rows, createdAt);
    });
    return rows.length;
  }

  async #complete(progress: Progress, personId: PersonId, templates: readonly Template[]): Promise<number> {
    const { tenantId } = progress;
    const own = await templatesOfPerson(this.database, this.personalData, { tenantId, personId });
    const fresh = templates.filter((template) => !own.some((known) => isSameTemplate(known, template)));
    const createdAt = new Date(this.clock.wallMs());
    const rows = await sealNewTemplates(
      this.personalData,
      fresh.map((template) => ({ tenantId, personId, template, createdAt })),
    );
    const version = await inTransaction(this.database, async (tx) => {
      await lockPerson(tx, { tenantId, personId }, 'key share');
      return rows.length === 0 ? 0 : insertTemplates(tx, rows, createdAt);
    });
    progress.version = Math.max(progress.version, version);
    return rows.length;
  }
}

/** Without what the file says beyond the template. */
function toTemplate({ codec, scale, dimension, quality, ...sent }: rest.TransferTemplate): Template {
  const { modelSpace, keyId, variantDigest, data } = sent;
  return fromRestTemplate({ modelSpace, keyId, variantDigest, codec, scale, dimension, data, quality });
}

const invalid = (sentence: string): AppError => new AppError('IMPORT.INVALID', sentence);

function refuse(result: rest.ImportResult, line: number, code: string): void {
  result.refused += 1;
  if (result.refusals.length < TOLD) result.refusals.push({ line, code });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function bounded(content: Readable): Readable {
  let bytes = 0;
  const counting = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      if (bytes <= FILE_BYTES) done(null, chunk);
      else done(new AppError('REQUEST.TOO_LARGE', 'An import has at most 4 GiB.'));
    },
  });
  return pipeline(content, counting, () => undefined);
}
