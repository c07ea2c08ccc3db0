import type { Database } from '@sightline/database';
import type { Clock, SightingId, TenantId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, gt } from 'drizzle-orm';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { keptProbe } from '../storage/decision-schema.js';
import { sealedProbeOf } from './kept-probes.js';
import { ProbeKeeping } from './probe-keeping.js';

/** Reads the probes that are kept of sightings. */
@Injectable()
export class KeptProbeReader {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly keeping: ProbeKeeping,
  ) {}

  /** The probe of a sighting, of whichever revision it is kept; undefined when it is not, or may not be any more. */
  async of(tenantId: TenantId, sightingId: SightingId): Promise<Template | undefined> {
    const [row] = await this.database.db
      .select()
      .from(keptProbe)
      .where(
        and(
          eq(keptProbe.tenantId, tenantId),
          eq(keptProbe.sightingId, sightingId),
          gt(keptProbe.expiresAt, new Date(this.clock.wallMs())),
        ),
      );
    return row && this.keeping.open(tenantId, sealedProbeOf(row));
  }
}
