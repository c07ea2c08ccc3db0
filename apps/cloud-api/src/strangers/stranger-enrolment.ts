import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { isAppError, type PersonId, type SightingId, type TenantId } from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, isNull } from 'drizzle-orm';

import { Reviews } from '../identification/reviews.js';
import { People } from '../people/people.js';
import { SightingEnrolment } from '../people/sighting-enrolment.js';
import { DATABASE } from '../platform/tokens.js';
import { stranger } from '../storage/search-schema.js';
import { strangerNotFound, Strangers, type StrangerKey } from './strangers.js';

/** Templates that are enrolled of a stranger, of their best sightings. */
const FACES = 3;
/** What one sighting may be without, and others not. */
const unfit = ['ENROLMENT.LOW_QUALITY', 'ENROLMENT.DUPLICATE_TEMPLATE', 'ENROLMENT.PROBE_EXPIRED'];

/** Makes people of strangers. */
@Injectable()
export class StrangerEnrolment {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly strangers: Strangers,
    private readonly people: People,
    private readonly reviews: Reviews,
    private readonly sightings: SightingEnrolment,
  ) {}

  /**
   * Adds a person, says of all sightings of the stranger that they are theirs, enrols the best, and then lets the
   * stranger be forgotten. Asked again after it broke off, it goes on with the person who was added.
   *
   * @throws AppError `STRANGER.NOT_FOUND`, `PERSON.DUPLICATE_EXTERNAL_ID`, and as `SightingEnrolment.enrol`
   */
  async enrol(
    { tenantId, actor }: Pick<RequestCaller, 'tenantId' | 'actor'>,
    id: string,
    asked: rest.CreatePerson,
  ): Promise<rest.EnrolledStranger> {
    const members = await this.strangers.members({ tenantId, id });
    const personId = await this.#person({ tenantId, id }, asked);
    for (const { sightingId, revision } of members) {
      await this.reviews.review({ tenantId, actor }, { sightingId, revision }, { verdict: 'is-person', personId });
    }
    let faces = 0;
    for (const { sightingId } of members) {
      if (faces < FACES && (await this.#enrolled(tenantId, personId, sightingId))) faces += 1;
    }
    await this.database.db.delete(stranger).where(isStranger({ tenantId, id }));
    return { personId, sightings: members.length, faces };
  }

  async #person({ tenantId, id }: StrangerKey, asked: rest.CreatePerson): Promise<PersonId> {
    const { db } = this.database;
    const [found] = await db.select().from(stranger).where(isStranger({ tenantId, id }));
    if (found === undefined) throw strangerNotFound();
    if (found.personId !== null) return found.personId;
    const personId = (await this.people.create(tenantId, asked)).id as PersonId;
    const { rowCount } = await db
      .update(stranger)
      .set({ personId })
      .where(and(isStranger({ tenantId, id }), isNull(stranger.personId)));
    if (rowCount === 1) return personId;
    // Somebody else was first, or it was deleted.
    await this.people.remove(tenantId, personId);
    throw strangerNotFound();
  }

  async #enrolled(tenantId: TenantId, personId: PersonId, sightingId: SightingId): Promise<boolean> {
    try {
      await this.sightings.enrol(tenantId, personId, sightingId);
      return true;
    } catch (error) {
      if (isAppError(error) && unfit.includes(error.code)) return false;
      throw error;
    }
  }
}

const isStranger = ({ tenantId, id }: StrangerKey) => and(eq(stranger.tenantId, tenantId), eq(stranger.id, id));
