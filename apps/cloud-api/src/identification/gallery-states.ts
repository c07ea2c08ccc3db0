import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import { DATABASE } from '../platform/tokens.js';
import { galleryVersion } from '../storage/schema.js';
import { GalleryFollowers, type FollowerRow } from './gallery-followers.js';

/** The galleries of the installation, over REST. */
@Injectable()
export class GalleryStates {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly followers: GalleryFollowers,
  ) {}

  async read(): Promise<rest.GalleryState> {
    const [counter] = await this.database.db.select().from(galleryVersion);
    const version = counter?.version ?? 0;
    const rows = await this.followers.list();
    return { version, followers: rows.map((row) => followerView(row, version)) };
  }

  /** Enrolled templates of all tenants, as PostgreSQL estimates them; 0 where it has not looked yet. */
  async templates(): Promise<number> {
    const { rows } = await this.database.db.execute<{ estimate: number }>(
      sql`SELECT greatest(0, reltuples)::float8 AS estimate FROM pg_class WHERE oid = 'cloud.template'::regclass`,
    );
    return rows[0]?.estimate ?? 0;
  }

  async rebuild(): Promise<rest.GalleryState> {
    await this.followers.requestRebuild();
    return this.read();
  }

  /** @throws AppError `REQUEST.NOT_FOUND`: a process leaves by itself */
  async remove(id: string): Promise<void> {
    const row = await this.followers.read(id);
    if (row?.kind === 'qdrant' && (await this.followers.remove(id))) return;
    throw new AppError('REQUEST.NOT_FOUND', 'There is no shared gallery with this id.');
  }
}

function followerView(row: FollowerRow, last: number): rest.GalleryFollower {
  const { id, kind, version, seenAt, rebuildState, rebuildProgress, rebuildRequestedAt, rebuildFinishedAt } = row;
  return {
    ...{ id, kind, version: version < 0 ? null : version },
    // It may be ahead of what was read a moment before.
    behind: Math.max(0, last - Math.max(0, version)),
    seenAt: seenAt.toISOString(),
    rebuild: rebuildState && {
      state: rebuildState,
      progress: rebuildProgress,
      requestedAt: rebuildRequestedAt?.toISOString() ?? null,
      finishedAt: rebuildFinishedAt?.toISOString() ?? null,
    },
  };
}
