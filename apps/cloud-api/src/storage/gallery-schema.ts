import { bigint, doublePrecision, text, uuid } from 'drizzle-orm/pg-core';

import { cloud, instant } from './columns.js';

// The typed view of migrations/0013-gallery-followers.sql, where it says what the columns mean.

export const galleryFollower = cloud.table('gallery_follower', {
  id: text('id').primaryKey(),
  kind: text('kind').$type<'flat' | 'qdrant'>().notNull(),
  version: bigint('version', { mode: 'number' }).notNull().default(-1),
  writer: uuid('writer'),
  seenAt: instant('seen_at').notNull(),
  rebuildState: text('rebuild_state').$type<'requested' | 'running' | 'done' | 'failed'>(),
  rebuildProgress: doublePrecision('rebuild_progress').notNull().default(0),
  rebuildRequestedAt: instant('rebuild_requested_at'),
  rebuildFinishedAt: instant('rebuild_finished_at'),
});
