import type { Database } from '@sightline/database';
import { errorMessage, isAppError, type Logger, type PersonId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { asc, sql } from 'drizzle-orm';

import { PersonalData } from '../personal-data/personal-data.js';
import { DATABASE, LOGGER } from '../platform/tokens.js';
import { person } from '../storage/schema.js';
import { Erasures } from './erasures.js';

const PAGE = 1000;

/**
 * Finds people whose key was destroyed and who are in the database all the same: a backup was put back that is older
 * than their erasure. They are erased again, on boxes too. Somebody whose key is missing without a trace is left alone
 * and reported: then it is the key store that is older or broken.
 */
@Injectable()
export class DestroyedPeople {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly personalData: PersonalData,
    private readonly erasures: Erasures,
  ) {}

  /** @returns how many were erased again */
  async eraseAgain(signal: AbortSignal): Promise<number> {
    let [erased, unknown] = [0, 0];
    let after: { readonly tenantId: TenantId; readonly personId: PersonId } | undefined;
    do {
      signal.throwIfAborted();
      const people = await this.#page(after);
      const states = await this.personalData.keys.states(people);
      for (const [index, subject] of people.entries()) {
        if (states[index] === 'unknown') unknown += 1;
        if (states[index] === 'destroyed' && (await this.#again(subject))) erased += 1;
      }
      after = people.length < PAGE ? undefined : people.at(-1);
    } while (after !== undefined);
    if (erased > 0) this.log.warn({ people: erased }, 'people whom a backup had brought back are erased again');
    if (unknown > 0)
      this.log.error({ people: unknown }, 'keys of people are missing: is the key store older than the database?');
    return erased;
  }

  #page(after: { readonly tenantId: TenantId; readonly personId: PersonId } | undefined) {
    return this.database.db
      .select({ tenantId: person.tenantId, personId: person.id })
      .from(person)
      .where(after && sql`(${person.tenantId}, ${person.id}) > (${after.tenantId}, ${after.personId}::uuid)`)
      .orderBy(asc(person.tenantId), asc(person.id))
      .limit(PAGE);
  }

  async #again(subject: { readonly tenantId: TenantId; readonly personId: PersonId }): Promise<boolean> {
    try {
      await this.erasures.erase({ ...subject, actor: 'system:erasures' });
      return true;
    } catch (error) {
      // Gone meanwhile, or merged into somebody: then they go with them.
      if (!isAppError(error, 'PERSON.NOT_FOUND') && !isAppError(error, 'PERSON.MERGED')) {
        this.log.warn({ error: errorMessage(error) }, 'somebody whom a backup had brought back is not erased yet');
      }
      return false;
    }
  }
}
