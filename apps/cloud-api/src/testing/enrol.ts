import { inTransaction } from '@sightline/database';
import { newPersonId, newTemplateId, type PersonId } from '@sightline/kernel';

import { recordGalleryChanges } from '../identification/gallery-feed.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import type { StartedCloudApi } from '../start-cloud-api.js';
import { person, template } from '../storage/schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { axis, DIMENSION, templateOf } from './fake-release.js';
import { TENANT } from './test-cloud.js';

/** Enrols somebody whose face points along an axis, as enrolment from a photo would. */
export async function enrolAlong(
  { app, database }: StartedCloudApi,
  name: string,
  axisIndex: number,
): Promise<{ readonly id: PersonId; readonly version: number }> {
  const id = newPersonId();
  const protector = await app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const { spaceId, variantDigest, ...made } = templateOf(axis(axisIndex), protector, { codec: 'float16' });
  const createdAt = new Date();
  const version = await inTransaction(database, async (tx) => {
    await tx.insert(person).values({ id, tenantId: TENANT, name, createdAt });
    const templateId = newTemplateId();
    await tx.insert(template).values({
      ...{ id: templateId, tenantId: TENANT, personId: id, modelSpace: spaceId, createdAt, ...made },
      variantDigest: new Uint8Array(Buffer.from(variantDigest, 'hex')),
    });
    return recordGalleryChanges(tx, [{ tenantId: TENANT, kind: 'upsert', templateId }], createdAt);
  });
  await app.get(GalleryFollower).passed(version);
  return { id, version };
}
