import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { errorMessage, ExclusiveRunner, type Logger, type SightingId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable, type MessageEvent, type OnModuleDestroy } from '@nestjs/common';
import { and, inArray } from 'drizzle-orm';
import { filter, interval, map, merge, Subject, takeUntil, type Observable } from 'rxjs';
import { z } from 'zod';

import { PersonalData } from '../personal-data/personal-data.js';
import { DATABASE, LOGGER } from '../platform/tokens.js';
import { Notifications } from '../storage/notifications.js';
import { sighting } from '../storage/schema.js';
import { readSightings, toSighting } from './sighting-view.js';

/** How often a stream says, in a comment that no client sees as an event, that it lives, ms: below the idle timeouts of usual proxies. */
const HEARTBEAT_MS = 15_000;

const changesSchema = z.array(z.tuple([z.string(), z.string(), z.number()]));

interface LiveSighting {
  readonly tenantId: TenantId;
  readonly sighting: rest.Sighting;
}

/**
 * Committed revisions as they happen, in whichever process they were committed. A revision that a later one overtook
 * before it was read is left out. It is news, not a log: a client that was away reads the list. A stream never has a
 * hole: when a revision may have been missed, every stream ends, and its client was away.
 */
@Injectable()
export class LiveSightings implements OnModuleDestroy {
  readonly #revisions = new Subject<LiveSighting>();
  /** The streams that are open end. */
  readonly #interrupted = new Subject<void>();
  readonly #runner = new ExclusiveRunner();

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly personalData: PersonalData,
    notifications: Notifications,
  ) {
    notifications.on('cloud_sighting', {
      notified: (payload) => void this.#runner.run(() => this.#read(payload)),
      reconnected: () => this.#interrupted.next(),
    });
  }

  /** Ends every open stream: the server waits for them when it closes. */
  onModuleDestroy(): void {
    this.#interrupted.next();
    this.#revisions.complete();
  }

  /** One tenant's revisions as server-sent events; the id is `{sighting}:{revision}`. */
  events(tenantId: TenantId): Observable<MessageEvent> {
    const revisions = this.#revisions.pipe(
      filter((live) => live.tenantId === tenantId),
      map((live) => ({ id: `${live.sighting.id}:${live.sighting.revision}`, data: live.sighting })),
    );
    const heartbeats = interval(HEARTBEAT_MS).pipe(map(() => ({ comment: 'alive' })));
    return merge(revisions, heartbeats).pipe(takeUntil(this.#interrupted));
  }

  async #read(payload: string): Promise<void> {
    if (!this.#revisions.observed) return;
    try {
      const changes = changesSchema.parse(JSON.parse(payload));
      const notified = new Set(changes.map((change) => change.join('/')));
      const ids = [...new Set(changes.map(([, id]) => id as SightingId))];
      const tenants = [...new Set(changes.map(([tenantId]) => tenantId as TenantId))];
      const where = and(inArray(sighting.tenantId, tenants), inArray(sighting.id, ids));
      const rows = await readSightings(this.database, this.personalData, { where, limit: changes.length });
      for (const row of rows.reverse()) {
        const { tenantId, id, revision } = row.sighting;
        if (!notified.has(`${tenantId}/${id}/${revision}`)) continue;
        this.#revisions.next({ tenantId, sighting: toSighting(row) });
      }
    } catch (error) {
      this.log.warn({ error: errorMessage(error) }, 'live sightings were missed');
      this.#interrupted.next();
    }
  }
}
