import { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { Clock, PersonId, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, gt, inArray, isNull } from 'drizzle-orm';

import { toRestTemplate } from '../../faces/wire.js';
import { openTemplates } from '../../identification/stored-templates.js';
import { PersonalData } from '../../personal-data/personal-data.js';
import { CLOCK, DATABASE } from '../../platform/tokens.js';
import { personGroup } from '../../storage/people-schema.js';
import { person, template } from '../../storage/schema.js';
import { TemplateAdmission } from '../template-admission.js';

/** People that are read at once. */
const PAGE = 200;

/** Gives out the people of a tenant as a file that can be imported again. */
@Injectable()
export class PeopleExport {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly personalData: PersonalData,
    private readonly admission: TemplateAdmission,
  ) {}

  /**
   * Head, groups, people with their templates as stored, and an end, without which the file is not whole. People are
   * read page by page: whoever is changed meanwhile is there as before or after it.
   */
  async *lines(tenantId: TenantId): AsyncGenerator<string> {
    const { spaceId, keyId } = await this.admission.current(tenantId);
    const exportedAt = new Date(this.clock.wallMs()).toISOString();
    yield lineOf({ kind: 'head', format: rest.PEOPLE_FORMAT, keyId, modelSpace: spaceId, exportedAt });
    const groups = await this.database.db
      .select()
      .from(personGroup)
      .where(eq(personGroup.tenantId, tenantId))
      .orderBy(asc(personGroup.slug));
    for (const { slug: id, name, kind, description } of groups) {
      yield lineOf({ kind: 'group', group: { id, name, kind, description } });
    }
    let people = 0;
    let after: PersonId | undefined;
    do {
      const page = await this.#page(tenantId, after);
      for (const line of page.lines) yield lineOf(line);
      people += page.lines.length;
      after = page.last;
    } while (after !== undefined);
    yield lineOf({ kind: 'end', people });
  }

  async #page(tenantId: TenantId, after: PersonId | undefined) {
    const rows = await this.database.db
      .select()
      .from(person)
      .where(and(eq(person.tenantId, tenantId), isNull(person.mergedInto), after && gt(person.id, after)))
      .orderBy(asc(person.id))
      .limit(PAGE);
    const identities = await this.personalData.openIdentities(rows);
    const templates = await this.#templates(
      tenantId,
      rows.map(({ id }) => id),
    );
    const lines = rows.flatMap(({ id, sites, groups, createdAt }): readonly rest.TransferLine[] => {
      const identity = identities.get(id);
      const own = { sites, groups, createdAt: createdAt.toISOString(), templates: templates.get(id) ?? [] };
      return identity === undefined ? [] : [{ kind: 'person', id, ...identity, ...own }];
    });
    return { lines, last: rows.length < PAGE ? undefined : rows.at(-1)?.id };
  }

  async #templates(tenantId: TenantId, people: readonly PersonId[]) {
    const byPerson = new Map<PersonId, rest.TransferTemplate[]>();
    if (people.length === 0) return byPerson;
    const rows = await this.database.db
      .select()
      .from(template)
      .where(and(eq(template.tenantId, tenantId), inArray(template.personId, [...people])))
      .orderBy(asc(template.id));
    const opened = await openTemplates(this.personalData, rows);
    for (const [index, { id, personId, createdAt }] of rows.entries()) {
      const found = opened[index];
      if (found === undefined) continue;
      const line = { ...toRestTemplate(found), id, createdAt: createdAt.toISOString() };
      byPerson.set(personId, [...(byPerson.get(personId) ?? []), line]);
    }
    return byPerson;
  }
}

const lineOf = (line: rest.TransferLine): string => `${JSON.stringify(line)}\n`;
