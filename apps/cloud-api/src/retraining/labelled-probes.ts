import type { Database } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import type { LabelledProbe, PersonVector } from '@sightline/matching';
import { decodeTemplate, type Template } from '@sightline/template-protection';
import { and, eq, sql } from 'drizzle-orm';

import { sealedProbeOf } from '../identification/kept-probes.js';
import { ProbeKeeping } from '../identification/probe-keeping.js';
import { openTemplates } from '../identification/stored-templates.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { DATABASE } from '../platform/tokens.js';
import type { CalibratedRelease } from '../releases/active-release.js';
import { keptProbe } from '../storage/decision-schema.js';
import { labelledSetMember } from '../storage/retraining-schema.js';
import { identification, sighting, template } from '../storage/schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { personWhoStays } from './labelled-members.js';
import type { SetRow } from './labelled-sets.js';

/** Probes and templates that one evaluation compares at most: some seconds of work. */
const PROBES = 2000;
const TEMPLATES = 2000;

/** The labelled probes of a site and the gallery, as vectors under one key. */
export interface SiteTrial {
  readonly probes: readonly LabelledProbe[];
  readonly enrolled: readonly PersonVector[];
  /** Of both lists together. */
  readonly people: number;
  /** Labelled probes by what had been decided, and those that cannot be compared. */
  readonly identified: number;
  readonly others: number;
  readonly unusable: number;
  readonly wholeGallery: boolean;
}

interface FoundProbe {
  readonly personId: PersonId;
  readonly isIdentified: boolean;
  readonly template: Template | undefined;
}

/** Reads what an evaluation needs; nothing of it is stored again. */
@Injectable()
export class LabelledProbes {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly keeping: ProbeKeeping,
    private readonly personalData: PersonalData,
    private readonly templateKeys: TemplateKeys,
  ) {}

  /**
   * Probes that were labelled with who they show. One of a sighting that was identified stands for as many of the site's
   * identified sightings in the set's time as there are for each labelled one. One of a sighting that named nobody stands
   * for itself alone: how many of the others are of enrolled people, nobody knows.
   */
  async read(set: SetRow, siteId: string, release: CalibratedRelease): Promise<SiteTrial> {
    const { tenantId } = set;
    const found = await this.#probes(set, siteId, release);
    const usable = found.flatMap(({ template: own, ...probe }) => (own === undefined ? [] : [{ ...probe, own }]));
    const places = new Map<PersonId, number>();
    const placeOf = (personId: PersonId): number => {
      const place = places.get(personId) ?? places.size;
      places.set(personId, place);
      return place;
    };
    const labelledPeople = [...new Set(usable.map(({ personId }) => personId))];
    const gallery = await this.#gallery(tenantId, labelledPeople, release);
    const identified = usable.filter(({ isIdentified }) => isIdentified).length;
    const weight = identified === 0 ? 1 : Math.max(1, (await this.#identifiedAt(set, siteId)) / identified);
    return {
      probes: usable.map(({ personId, own, isIdentified }) => ({
        ...{ person: placeOf(personId), vector: decodeTemplate(own), weight: isIdentified ? weight : 1 },
      })),
      enrolled: gallery.templates.map(({ personId, own }) => ({
        ...{ person: placeOf(personId), vector: decodeTemplate(own) },
      })),
      people: places.size,
      ...{ identified, others: usable.length - identified, unusable: found.length - usable.length },
      wholeGallery: gallery.isWhole,
    };
  }

  async #probes({ tenantId, id }: SetRow, siteId: string, release: CalibratedRelease): Promise<readonly FoundProbe[]> {
    const ofSighting = and(
      eq(sighting.tenantId, labelledSetMember.tenantId),
      eq(sighting.id, labelledSetMember.sightingId),
    );
    const ofDecision = and(
      eq(identification.tenantId, labelledSetMember.tenantId),
      eq(identification.sightingId, labelledSetMember.sightingId),
      eq(identification.revision, labelledSetMember.revision),
    );
    const ofProbe = and(
      eq(keptProbe.tenantId, labelledSetMember.tenantId),
      eq(keptProbe.sightingId, labelledSetMember.sightingId),
    );
    const rows = await this.database.db
      .select({
        kept: keptProbe,
        outcome: identification.outcome,
        personId: sql<PersonId>`${personWhoStays(tenantId, sql`${labelledSetMember.personId}`)}`,
      })
      .from(labelledSetMember)
      .innerJoin(sighting, ofSighting)
      .innerJoin(identification, ofDecision)
      .leftJoin(keptProbe, ofProbe)
      .where(
        and(
          eq(labelledSetMember.tenantId, tenantId),
          eq(labelledSetMember.setId, id),
          eq(labelledSetMember.label, 'is-person'),
          eq(sighting.siteId, siteId),
        ),
      )
      // The same ones each time, and no time of day before another.
      .orderBy(sql`md5(${labelledSetMember.sightingId}::text)`)
      .limit(PROBES);
    const found: FoundProbe[] = [];
    for (const { kept, outcome, personId } of rows) {
      const opened = kept === null ? undefined : await this.keeping.open(tenantId, sealedProbeOf(kept));
      const comparable = opened && (await this.#comparable(tenantId, opened, release));
      found.push({ personId, isIdentified: outcome === 'identified', template: comparable });
    }
    return found;
  }

  /** Templates of the labelled people, and of as many others as there is room for. */
  async #gallery(tenantId: TenantId, labelled: readonly PersonId[], release: CalibratedRelease) {
    const isLabelled = sql`${template.personId} = ANY (${sql.param([...labelled])}::uuid[])`;
    const rows = await this.database.db
      .select()
      .from(template)
      .where(and(eq(template.tenantId, tenantId), eq(template.modelSpace, release.recogniser.spaceId)))
      .orderBy(sql`${isLabelled} DESC`, sql`md5(${template.personId}::text)`, template.id)
      .limit(TEMPLATES + 1);
    const opened = await openTemplates(this.personalData, rows.slice(0, TEMPLATES));
    const templates: { readonly personId: PersonId; readonly own: Template }[] = [];
    for (const [index, one] of opened.entries()) {
      const own = one && (await this.#comparable(tenantId, one, release));
      const personId = rows[index]?.personId;
      if (own !== undefined && personId !== undefined) templates.push({ personId, own });
    }
    return { templates, isWhole: rows.length <= TEMPLATES };
  }

  /** Under the current key; undefined where it is of another model space, or under a key that lives no more. */
  async #comparable(tenantId: TenantId, one: Template, release: CalibratedRelease): Promise<Template | undefined> {
    const { spaceId, dimension } = release.recogniser;
    if (one.spaceId !== spaceId || one.dimension !== dimension) return undefined;
    const keys = await this.templateKeys.live(tenantId);
    if (!keys.some(({ keyId }) => keyId === one.keyId)) return undefined;
    const { keyId } = await this.templateKeys.current(tenantId);
    return this.templateKeys.under(keyId, tenantId, one);
  }

  /** Sightings that were identified there in the set's time. */
  async #identifiedAt({ tenantId, seenFrom, seenUntil }: SetRow, siteId: string): Promise<number> {
    const { rows } = await this.database.db.execute<{ count: number }>(sql`
      SELECT count(*)::int AS count FROM cloud.sighting sighting JOIN cloud.identification decision
        ON decision.tenant_id = sighting.tenant_id AND decision.sighting_id = sighting.id
          AND decision.revision = sighting.revision
      WHERE sighting.tenant_id = ${tenantId} AND site_id = ${siteId} AND outcome = 'identified'
        AND first_seen_at >= ${seenFrom} AND first_seen_at < ${seenUntil}`);
    return rows[0]?.count ?? 0;
  }
}
