import type { Database } from '@sightline/database';
import type { Gallery, GalleryFilter } from '@sightline/gallery';
import type { Clock, KeyId, SpaceId, TenantId } from '@sightline/kernel';
import type { TemplateBelonging } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import { CLOCK, DATABASE, GALLERY } from '../platform/tokens.js';
import { TemplateKeys } from '../template-keys/template-keys.js';

/** How long a count is taken for the present one, ms. A few templates more or less change no threshold that matters. */
const FRESH_MS = 1000;
/** The same of a count that PostgreSQL has to make. */
const FILTERED_FRESH_MS = 30_000;

interface Counted {
  readonly untilMs: number;
  readonly templates: Promise<number>;
}

/** With how many templates a search compares: the N that its threshold is corrected for. */
@Injectable()
export class SearchedTemplates {
  readonly #counted = new Map<string, Counted>();

  constructor(
    @Inject(GALLERY) private readonly gallery: Gallery,
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly templateKeys: TemplateKeys,
  ) {}

  /**
   * Of a model space, under all live keys of the tenant, after a filter; at most a second old, with a filter half a
   * minute.
   */
  async count(tenantId: TenantId, belonging: TemplateBelonging, filter: GalleryFilter | undefined): Promise<number> {
    const name = JSON.stringify([belonging.spaceId, belonging.keyId, filter]);
    const known = this.#counted.get(name);
    if (known !== undefined && this.clock.monotonicMs() < known.untilMs) return known.templates;
    const templates = this.#count(tenantId, belonging.spaceId, filter);
    const freshMs = filter === undefined ? FRESH_MS : FILTERED_FRESH_MS;
    this.#counted.set(name, { untilMs: this.clock.monotonicMs() + freshMs, templates });
    templates.catch(() => this.#counted.delete(name));
    return templates;
  }

  async #count(tenantId: TenantId, spaceId: SpaceId, filter: GalleryFilter | undefined): Promise<number> {
    const keyIds = (await this.templateKeys.live(tenantId)).map(({ keyId }) => keyId);
    if (filter !== undefined) return this.#ofFilter(tenantId, spaceId, keyIds, filter);
    const sizes = await this.gallery.partitions();
    return sizes
      .filter((size) => size.spaceId === spaceId && keyIds.includes(size.keyId))
      .reduce((sum, { templates }) => sum + templates, 0);
  }

  /** As a gallery filters: people of the site and of every site, who are in one of the groups. */
  async #ofFilter(
    tenantId: TenantId,
    spaceId: SpaceId,
    keyIds: readonly KeyId[],
    { site, groups }: GalleryFilter,
  ): Promise<number> {
    const ofSite =
      site === undefined ? sql`true` : sql`(cardinality(person.sites) = 0 OR ${site} = ANY (person.sites))`;
    const ofGroups = groups === undefined ? sql`true` : sql`person.groups && ${sql.param([...groups])}::text[]`;
    const { rows } = await this.database.db.execute<{ count: string }>(sql`
      SELECT count(*) AS count FROM cloud.template AS template
      JOIN cloud.person AS person ON person.tenant_id = template.tenant_id AND person.id = template.person_id
      WHERE template.tenant_id = ${tenantId} AND template.model_space = ${spaceId}
        AND template.key_id = ANY (${sql.param([...keyIds])}::text[])
        AND ${ofSite} AND ${ofGroups}`);
    return Number(rows[0]?.count ?? 0);
  }
}
