import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  CachedPersonSchema,
  TemplateCodec,
  TemplateSchema,
  type CachedPerson,
  type DeviceAddress,
  type GalleryTombstoneSchema,
} from '@sightline/contracts';
import type { Transaction } from '@sightline/database';
import type { PersonId, SpaceId } from '@sightline/kernel';
import { decodeTemplate, encodeTemplate, type Template } from '@sightline/template-protection';
import { and, asc, desc, eq, inArray, isNull, sql, type SQL } from 'drizzle-orm';

import { openTemplates } from '../identification/stored-templates.js';
import type { PersonalData } from '../personal-data/personal-data.js';
import type { TemplateKeys } from '../template-keys/template-keys.js';
import { edgeCacheErasure, edgeCachePerson, erasure } from '../storage/edge-cache-schema.js';
import { person, template } from '../storage/schema.js';
import { TEMPLATES_OF_PERSON, type PlannedCache } from './cache-plan.js';

export type Tombstone = MessageInitShape<typeof GalleryTombstoneSchema>;

/** What one version of a cache changes. */
export interface VersionContent {
  readonly tombstones: readonly Tombstone[];
  readonly people: readonly CachedPerson[];
}

/** A cache that is planned, with what opens the templates that go into it. */
export interface FilledCache extends PlannedCache {
  readonly personalData: PersonalData;
  readonly templateKeys: TemplateKeys;
}

/** People and bytes of them in one message at most, and tombstones. */
const PEOPLE = 200;
const PEOPLE_BYTES = 256 * 1024;
const TOMBSTONES = 1000;
/** Templates that are read for one message: 512 components take some 620 bytes each. */
const TEMPLATES_READ = 450;

/**
 * Gives a version to what is still to be sent: erasures first, then others who leave, then people, newest first.
 *
 * @param people false: tombstones alone
 * @returns what the version changes; `isLast`: nothing is left to be sent
 */
export async function takeVersion(
  tx: Transaction,
  cache: FilledCache,
  { version, now, people }: { readonly version: number; readonly now: Date; readonly people: boolean },
): Promise<VersionContent> {
  const { tenantId, deviceId } = cache;
  await tx.execute(sql`
    UPDATE cloud.edge_cache_erasure SET version = ${version}, sent_at = ${now}
    WHERE tenant_id = ${tenantId} AND device_id = ${deviceId} AND erasure_id = ANY (ARRAY(
      SELECT erasure_id FROM cloud.edge_cache_erasure
      WHERE tenant_id = ${tenantId} AND device_id = ${deviceId} AND confirmed_at IS NULL AND version IS NULL
      LIMIT ${TOMBSTONES}))`);
  // Arrays are made once: of a subquery the planner may make one for each row, as long as the table looks small.
  await tx.execute(sql`
    UPDATE cloud.edge_cache_person SET version = ${version}
    WHERE tenant_id = ${tenantId} AND device_id = ${deviceId} AND person_id = ANY (ARRAY(
      SELECT person_id FROM cloud.edge_cache_person
      WHERE tenant_id = ${tenantId} AND device_id = ${deviceId} AND version IS NULL AND NOT wanted
      LIMIT ${TOMBSTONES}))`);
  return {
    tombstones: await tombstonesOf(tx, cache, version),
    people: people ? await takePeople(tx, cache, version) : [],
  };
}

/** What a version that was sent before still changes: less than then, where a later version has replaced it. */
export async function contentOfVersion(tx: Transaction, cache: FilledCache, version: number): Promise<VersionContent> {
  const rows = await tx
    .select({ personId: edgeCachePerson.personId })
    .from(edgeCachePerson)
    .where(and(own(cache), eq(edgeCachePerson.version, version), edgeCachePerson.wanted))
    .orderBy(desc(edgeCachePerson.personId));
  const people = await readPeople(
    tx,
    cache,
    rows.map(({ personId }) => personId),
  );
  return { tombstones: await tombstonesOf(tx, cache, version), people };
}

const own = ({ tenantId, deviceId }: DeviceAddress): SQL | undefined =>
  and(eq(edgeCachePerson.tenantId, tenantId), eq(edgeCachePerson.deviceId, deviceId));

async function tombstonesOf(tx: Transaction, cache: PlannedCache, version: number): Promise<readonly Tombstone[]> {
  const { tenantId, deviceId } = cache;
  const erased = await tx
    // Not null as long as a receipt is outstanding.
    .select({ personId: sql<PersonId>`${erasure.personId}`, erasureId: erasure.id })
    .from(edgeCacheErasure)
    .innerJoin(
      erasure,
      and(eq(erasure.tenantId, edgeCacheErasure.tenantId), eq(erasure.id, edgeCacheErasure.erasureId)),
    )
    .where(
      and(
        eq(edgeCacheErasure.tenantId, tenantId),
        eq(edgeCacheErasure.deviceId, deviceId),
        eq(edgeCacheErasure.version, version),
        isNull(edgeCacheErasure.confirmedAt),
      ),
    )
    .orderBy(asc(erasure.erasedAt), asc(erasure.id));
  const left = await tx
    .select({ personId: edgeCachePerson.personId })
    .from(edgeCachePerson)
    .where(and(own(cache), eq(edgeCachePerson.version, version), sql`NOT ${edgeCachePerson.wanted}`));
  return [...erased, ...left];
}

async function takePeople(tx: Transaction, cache: FilledCache, version: number): Promise<readonly CachedPerson[]> {
  const { tenantId, deviceId } = cache;
  const { rows } = await tx.execute<{ id: PersonId }>(sql`
    SELECT person_id AS id FROM (
      SELECT person_id, sum(templates) OVER (ORDER BY person_id DESC) - templates AS before FROM (
        SELECT person_id, templates FROM cloud.edge_cache_person
        WHERE tenant_id = ${tenantId} AND device_id = ${deviceId} AND version IS NULL AND wanted
        ORDER BY person_id DESC LIMIT ${PEOPLE}
      ) unsent
    ) counted WHERE before < ${TEMPLATES_READ} ORDER BY person_id DESC`);
  const candidates = rows.map(({ id }) => id);
  const found = await readPeople(tx, cache, candidates);
  const people = firstOf(found, PEOPLE_BYTES);
  await dropWithoutTemplates(
    tx,
    cache,
    candidates.filter((id) => !found.some(({ personId }) => personId === id)),
  );
  if (people.length === 0) return [];
  const ids = people.map(({ personId }) => personId);
  // Whoever was erased meanwhile has no row any more, and is not sent.
  const taken = await tx.execute<{ id: string }>(sql`
    UPDATE cloud.edge_cache_person SET version = ${version}, held = true
    WHERE tenant_id = ${tenantId} AND device_id = ${deviceId} AND person_id = ANY (${sql.param(ids)}::uuid[])
    RETURNING person_id AS id`);
  const kept = new Set(taken.rows.map(({ id }) => id));
  return people.filter(({ personId }) => kept.has(personId));
}

/** Whoever was planned and has nothing that the cache could take, because it was removed since. */
async function dropWithoutTemplates(tx: Transaction, cache: PlannedCache, ids: readonly PersonId[]): Promise<void> {
  if (ids.length === 0) return;
  const without = and(own(cache), inArray(edgeCachePerson.personId, [...ids]));
  await tx.delete(edgeCachePerson).where(and(without, sql`NOT ${edgeCachePerson.held}`));
  await tx.update(edgeCachePerson).set({ wanted: false }).where(without);
}

/** People in the order of their ids, without those who have no template that the cache could take. */
async function readPeople(
  tx: Transaction,
  { tenantId, modelSpace, keyId, personalData, templateKeys }: FilledCache,
  ids: readonly PersonId[],
): Promise<readonly CachedPerson[]> {
  if (ids.length === 0) return [];
  const live = (await templateKeys.live(tenantId)).map((key) => key.keyId);
  if (!live.includes(keyId)) return [];
  const rows = await tx
    .select({ template, groups: person.groups })
    .from(template)
    .innerJoin(person, and(eq(person.tenantId, template.tenantId), eq(person.id, template.personId)))
    .where(
      and(
        eq(template.tenantId, tenantId),
        inArray(template.personId, [...ids]),
        eq(template.modelSpace, modelSpace as SpaceId),
        inArray(template.keyId, live),
      ),
    )
    .orderBy(desc(template.quality), desc(template.id));
  const opened = await openTemplates(
    personalData,
    rows.map((row) => row.template),
  );
  const byPerson = new Map<PersonId, { groups: string[]; templates: Template[] }>();
  for (const [index, row] of rows.entries()) {
    const { personId } = row.template;
    const stored = opened[index];
    if (stored === undefined) continue;
    const found = await templateKeys.under(keyId, tenantId, stored);
    const known = byPerson.get(personId) ?? { groups: row.groups, templates: [] };
    if (known.templates.length < TEMPLATES_OF_PERSON) known.templates.push(found);
    byPerson.set(personId, known);
  }
  return ids.flatMap((personId) => {
    const found = byPerson.get(personId);
    if (found === undefined) return [];
    return [create(CachedPersonSchema, { personId, groups: found.groups, templates: found.templates.map(toWire) })];
  });
}

/** In int8, which is half of what photos are stored as and changes a cosine by at most 2e-3. */
function toWire(stored: Template) {
  const { spaceId, keyId, variantDigest, quality } = stored;
  const origin = { spaceId, keyId, variantDigest, quality, codec: 'int8' } as const;
  const { scale, dimension, data } = stored.codec === 'int8' ? stored : encodeTemplate(decodeTemplate(stored), origin);
  return create(TemplateSchema, {
    ...{ modelSpace: spaceId, keyId, scale, dimension, data, quality, codec: TemplateCodec.INT8 },
    variantDigest: Buffer.from(variantDigest, 'hex'),
  });
}

/** Bytes of a template besides its components: names, digest, numbers, tags. */
const TEMPLATE_OVERHEAD = 160;

function firstOf(people: readonly CachedPerson[], bytes: number): readonly CachedPerson[] {
  let taken = 0;
  const fitting = people.findIndex(({ templates, groups }) => {
    taken += templates.reduce((sum, { data }) => sum + data.length + TEMPLATE_OVERHEAD, 50 + groups.join().length);
    return taken > bytes;
  });
  // One person always fits: their templates are bounded.
  return fitting === -1 ? people : people.slice(0, Math.max(1, fitting));
}
