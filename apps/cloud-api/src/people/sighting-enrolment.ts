import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, type PersonId, type SightingId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, inArray } from 'drizzle-orm';

import { KeptProbeReader } from '../identification/kept-probe-reader.js';
import { DATABASE } from '../platform/tokens.js';
import { identificationReview } from '../storage/decision-schema.js';
import { Enrolment } from './enrolment.js';

/** Enrolment from sightings: of whoever somebody has looked at and said who it is. */
@Injectable()
export class SightingEnrolment {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly probes: KeptProbeReader,
    private readonly enrolment: Enrolment,
  ) {}

  /**
   * Enrols the template of a sighting, which is kept for as long as its decision may be reviewed.
   *
   * @throws AppError `ENROLMENT.NOT_REVIEWED` unless a review says that the sighting is of this person,
   *   `ENROLMENT.PROBE_EXPIRED`, and as `Enrolment.enrolTemplate`
   */
  async enrol(tenantId: TenantId, personId: PersonId, sightingId: SightingId): Promise<rest.EnrolledFace> {
    const [review] = await this.database.db
      .select({ revision: identificationReview.revision })
      .from(identificationReview)
      .where(
        and(
          eq(identificationReview.tenantId, tenantId),
          eq(identificationReview.sightingId, sightingId),
          eq(identificationReview.personId, personId),
          // All revisions of a sighting show one person.
          inArray(identificationReview.verdict, ['confirmed', 'is-person']),
        ),
      )
      .limit(1);
    if (review === undefined) {
      throw new AppError('ENROLMENT.NOT_REVIEWED', 'No review says that the sighting is of this person.');
    }
    const template = await this.probes.of(tenantId, sightingId);
    if (template === undefined) {
      throw new AppError('ENROLMENT.PROBE_EXPIRED', 'The template of the sighting is not kept (any more).');
    }
    return this.enrolment.enrolTemplate(tenantId, personId, template);
  }
}
