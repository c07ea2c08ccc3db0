import type { Transaction } from '@sightline/database';
import type { PersonId, SightingId, TenantId } from '@sightline/kernel';
import { Injectable } from '@nestjs/common';
import { and, eq } from 'drizzle-orm';

import { sealedImage } from '../storage/image-schema.js';
import { ImageTails } from './image-tails.js';
import { digestText, personIdsOf } from './stored-image.js';

/** Lets images follow what a review says: whose they are decides with whose key they are sealed. */
@Injectable()
export class ReviewedImages {
  constructor(private readonly tails: ImageTails) {}

  /**
   * Gives the images of a sighting to the person whom a review names. In the review's own transaction, which holds the
   * person's row.
   *
   * @throws AppError `PERSON.NOT_FOUND` once the person's key was destroyed
   */
  async assign(
    tx: Transaction,
    { tenantId, sightingId }: { readonly tenantId: TenantId; readonly sightingId: SightingId },
    personId: PersonId,
  ): Promise<void> {
    const isOfSighting = and(eq(sealedImage.tenantId, tenantId), eq(sealedImage.sightingId, sightingId));
    const rows = await tx.select().from(sealedImage).where(isOfSighting).for('update');
    for (const row of rows) {
      if (row.personId === personId && row.secondPersonId === null) continue;
      const owner = { tenantId, digest: digestText(row.digest) };
      const isRow = and(isOfSighting, eq(sealedImage.digest, row.digest));
      const tail = row.sealedTail && (await this.tails.open({ ...owner, personIds: personIdsOf(row) }, row.sealedTail));
      if (tail === undefined) {
        // One of those whose it was is being erased: it goes with them.
        await tx.delete(sealedImage).where(isRow);
        continue;
      }
      const sealedTail = tail && (await this.tails.seal({ ...owner, personIds: [personId] }, tail));
      await tx.update(sealedImage).set({ personId, secondPersonId: null, sealedTail }).where(isRow);
    }
  }
}
