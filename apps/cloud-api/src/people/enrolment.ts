import type { rest } from '@sightline/contracts';
import { type Database, inTransaction } from '@sightline/database';
import { AppError, errorMessage, type Clock, type Logger, type PersonId, type TenantId } from '@sightline/kernel';
import type { Face } from '@sightline/recognition';
import type { Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq } from 'drizzle-orm';

import type { Turn } from '../http/turnstile.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import { PhotoFaces } from '../identification/photo-faces.js';
import { templatesOfPerson } from '../identification/stored-templates.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { person } from '../storage/schema.js';
import { NearPeople } from './near-people.js';
import { People } from './people.js';
import { assertNotMerged, lockPerson, personNotFound } from './person-store.js';
import { assertGoodEnough, TemplateAdmission } from './template-admission.js';
import { insertTemplates, isSameTemplate, sealNewTemplates, type NewTemplate } from './template-store.js';

/** Enrolment from photos and templates. */
@Injectable()
export class Enrolment {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly photoFaces: PhotoFaces,
    private readonly follower: GalleryFollower,
    private readonly personalData: PersonalData,
    private readonly admission: TemplateAdmission,
    private readonly near: NearPeople,
    private readonly people: People,
    @Inject(LOGGER) private readonly log: Logger,
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

  /**
   * Enrols a template that was made before, under the tenant's key.
   *
   * @throws AppError `PERSON.NOT_FOUND`, `PERSON.MERGED`, `TEMPLATE.*`, `ENROLMENT.LOW_QUALITY`,
   *   `ENROLMENT.DUPLICATE_TEMPLATE`, `RELEASE.UNAVAILABLE`
   */
  async enrolTemplate(tenantId: TenantId, personId: PersonId, template: Template): Promise<rest.EnrolledFace> {
    await this.admission.assertAdmissible(tenantId, template);
    await this.#assertExists(tenantId, personId);
    const own = await templatesOfPerson(this.database, this.personalData, { tenantId, personId });
    if (own.some((known) => isSameTemplate(known, template))) {
      throw new AppError('ENROLMENT.DUPLICATE_TEMPLATE', 'The person has this template already.');
    }
    return this.#store({ tenantId, personId, template });
  }

  async #store(owned: Omit<NewTemplate, 'createdAt'>): Promise<rest.EnrolledFace> {
    const { personId } = owned;
    const createdAt = new Date(this.clock.wallMs());
    const [sealed] = await sealNewTemplates(this.personalData, [{ ...owned, createdAt }]);
    if (sealed === undefined) throw new AppError('SERVICE.INTERNAL', 'Nothing was sealed.');
    const version = await inTransaction(this.database, async (tx) => {
      await lockPerson(tx, owned, 'key share');
      return insertTemplates(tx, [sealed], createdAt);
    });
    await this.follower.passed(version);
    const { quality, modelSpace, id } = sealed;
    const possibleDuplicates = await this.#possibleDuplicates(owned);
    return { id, personId, quality, modelSpace, createdAt: createdAt.toISOString(), possibleDuplicates };
  }

  /** Others who look like whoever was enrolled now. That nobody could look does not undo the enrolment. */
  async #possibleDuplicates({
    tenantId,
    personId,
    template,
  }: Omit<NewTemplate, 'createdAt'>): Promise<rest.EnrolledFace['possibleDuplicates']> {
    try {
      const [near = []] = await this.near.find(tenantId, [{ personId, template }]);
      const names = await this.people.names(
        tenantId,
        near.map((other) => other.personId),
      );
      return near.map((other) => ({ ...other, name: names.get(other.personId) ?? '' }));
    } catch (error) {
      this.log.warn({ personId, error: errorMessage(error) }, 'nobody was looked for who may be the same person');
      return [];
    }
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
  assertGoodEnough(face.quality);
  return face;
}
