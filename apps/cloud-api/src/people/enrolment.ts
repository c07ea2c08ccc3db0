import type { rest } from '@sightline/contracts';
import { type Database, inTransaction } from '@sightline/database';
import { AppError, type Clock, type PersonId, type TenantId } from '@sightline/kernel';
import { minimumQuality, type Face } from '@sightline/recognition';
import type { Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq } from 'drizzle-orm';

import type { Turn } from '../http/turnstile.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import { PhotoFaces } from '../identification/photo-faces.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { person } from '../storage/schema.js';
import { assertNotMerged, lockPerson, personNotFound } from './person-store.js';
import { insertTemplates, sealNewTemplates, type NewTemplate } from './template-store.js';

/** Enrolment from photos. */
@Injectable()
export class Enrolment {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly photoFaces: PhotoFaces,
    private readonly follower: GalleryFollower,
    private readonly personalData: PersonalData,
  ) {}

  /**
   * Enrols the one face of a photo. Resolves once this process's gallery finds it.
   *
   * @throws AppError `PERSON.NOT_FOUND`, `ENROLMENT.NO_FACE`, `ENROLMENT.SEVERAL_FACES`, `ENROLMENT.LOW_QUALITY`,
   *   `IMAGE.*`, `RELEASE.UNAVAILABLE`
   */
  async enrol(tenantId: TenantId, personId: PersonId, photo: Uint8Array, turn: Turn): Promise<rest.EnrolledFace> {
    // Before the costly part; the lock that counts is taken in the transaction.
    await this.#assertExists(tenantId, personId);
    return this.#store({ tenantId, personId, template: await this.templateOf(tenantId, photo, turn) });
  }

  /**
   * The template of the one face of a photo, good enough to be kept.
   *
   * @throws AppError `ENROLMENT.NO_FACE`, `ENROLMENT.SEVERAL_FACES`, `ENROLMENT.LOW_QUALITY`, `IMAGE.*`,
   *   `RELEASE.UNAVAILABLE`
   */
  async templateOf(tenantId: TenantId, photo: Uint8Array, turn: Turn): Promise<Template> {
    const { release, faces } = await this.photoFaces.detect(photo, turn);
    const face = theOneFace(faces);
    const { templates } = await this.photoFaces.embed(tenantId, release, [face], {
      views: 'several',
      signal: turn.signal,
    });
    const [made] = templates;
    if (made === undefined) throw new AppError('SERVICE.INTERNAL', 'The recogniser returned no template.');
    return made;
  }

  async #store(owned: Omit<NewTemplate, 'createdAt'>): Promise<rest.EnrolledFace> {
    const createdAt = new Date(this.clock.wallMs());
    const [sealed] = await sealNewTemplates(this.personalData, [{ ...owned, createdAt }]);
    if (sealed === undefined) throw new AppError('SERVICE.INTERNAL', 'Nothing was sealed.');
    const version = await inTransaction(this.database, async (tx) => {
      await lockPerson(tx, owned, 'key share');
      return insertTemplates(tx, [sealed], createdAt);
    });
    await this.follower.passed(version);
    const { quality, modelSpace, id } = sealed;
    return { id, personId: owned.personId, quality, modelSpace, createdAt: createdAt.toISOString() };
  }

  async #assertExists(tenantId: TenantId, personId: PersonId): Promise<void> {
    const [row] = await this.database.db
      .select({ mergedInto: person.mergedInto })
      .from(person)
      .where(and(eq(person.tenantId, tenantId), eq(person.id, personId)));
    if (row === undefined) throw personNotFound();
    assertNotMerged(row);
  }
}

function theOneFace(faces: readonly Face[]): Face {
  const [face, ...others] = faces;
  if (face === undefined) throw new AppError('ENROLMENT.NO_FACE', 'No face was found in the photo.');
  if (others.length > 0) {
    throw new AppError('ENROLMENT.SEVERAL_FACES', `The photo shows ${faces.length} faces; enrol from a photo of one.`, {
      details: { faces: faces.length },
    });
  }
  if (face.quality < minimumQuality.enrolment) {
    throw new AppError('ENROLMENT.LOW_QUALITY', 'The face is too small, blurred, turned or badly lit to enrol.', {
      details: { quality: face.quality, minimum: minimumQuality.enrolment },
    });
  }
  return face;
}
