import { inChunks, inTransaction } from '@sightline/database';
import { newTemplateId, type PersonId, type TenantId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';

import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import { PersonalData } from '../personal-data/personal-data.js';
import type { StartedCloudApi } from '../start-cloud-api.js';
import { person, template } from '../storage/schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { axis, DIMENSION, templateOf } from './fake-release.js';
import { TENANT } from './test-cloud.js';

export interface TestPerson {
  /** Default: the tests' own. It must exist. */
  readonly tenantId?: TenantId;
  readonly name: string;
  /** Default: none. */
  readonly externalId?: string;
  /** Default: none. */
  readonly templates?: readonly Template[];
  readonly createdAt?: Date;
}

/** Puts people into the database as enrolment would, in the order that they are given. */
export async function enrolPeople(
  { app, database }: StartedCloudApi,
  people: readonly TestPerson[],
): Promise<{ readonly ids: readonly PersonId[]; readonly version: number }> {
  const personalData = app.get(PersonalData);
  const made = await Promise.all(people.map((one) => sealed(personalData, one)));
  const faces = made.flatMap((one) => one.faces);
  const version = await inTransaction(database, async (tx) => {
    await inChunks(
      made.map(({ row }) => row),
      (chunk) => tx.insert(person).values(chunk).returning({ id: person.id }),
    );
    await inChunks(faces, (chunk) => tx.insert(template).values(chunk).returning({ id: template.id }));
    const changes = faces.map(({ tenantId, id }) => ({ tenantId, kind: 'upsert' as const, templateId: id }));
    return recordGalleryChanges(tx, changes, new Date());
  });
  await app.get(GalleryFollower).passed(version);
  return { ids: made.map(({ row }) => row.id), version };
}

async function sealed(
  personalData: PersonalData,
  { tenantId = TENANT, name, externalId, templates = [], createdAt = new Date() }: TestPerson,
) {
  const [row] = await personalData.newPeople(tenantId, [{ name, externalId: externalId ?? null }]);
  if (row === undefined) throw new Error('nobody was made');
  const faces = templates.map(({ spaceId, variantDigest, ...vector }) => ({
    ...{ id: newTemplateId(), tenantId, personId: row.id, modelSpace: spaceId, createdAt, ...vector },
    variantDigest: new Uint8Array(Buffer.from(variantDigest, 'hex')),
  }));
  return { row: { ...row, createdAt }, faces: await personalData.sealTemplates(faces) };
}

/** Enrols somebody whose face points along an axis, as enrolment from a photo would. */
export async function enrolAlong(
  api: StartedCloudApi,
  name: string,
  axisIndex: number,
): Promise<{ readonly id: PersonId; readonly version: number }> {
  const protector = await api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const templates = [templateOf(axis(axisIndex), protector, { codec: 'float16' })];
  const { ids, version } = await enrolPeople(api, [{ name, templates }]);
  const [id] = ids;
  if (id === undefined) throw new Error('nobody was enrolled');
  return { id, version };
}
