import type { Database } from '@sightline/database';
import { AppError } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, inArray, isNull, lt, notInArray, or, sql } from 'drizzle-orm';

import { DATABASE } from '../platform/tokens.js';
import { galleryFollower } from '../storage/gallery-schema.js';

export type FollowerRow = typeof galleryFollower.$inferSelect;

/** Who follows the feed: the process's own id or a shared gallery's. */
export type Follower = Pick<FollowerRow, 'id' | 'kind'>;

/** A follower that has not passed a version yet. */
export type BehindFollower = Pick<FollowerRow, 'id' | 'kind' | 'version' | 'seenAt'>;

/** A process that was not seen for this long is dropped, ms. */
export const DROPPED_AFTER_MS = 60_000;

const unseen = and(
  eq(galleryFollower.kind, 'flat'),
  lt(galleryFollower.seenAt, sql`now() - make_interval(secs => ${DROPPED_AFTER_MS / 1000})`),
);
const now = sql`now()`;
const told = sql`SELECT pg_notify('cloud_gallery_follower', '')`;

/**
 * The register of everything that holds templates to be searched, and of how far each has followed the feed.
 *
 * Invariants: a flat gallery is registered before it reads the first template, and answers no search when it could have
 * been dropped; the row of a shared gallery stays until somebody says that the gallery is no more.
 */
@Injectable()
export class GalleryFollowers {
  constructor(@Inject(DATABASE) private readonly database: Database) {}

  /**
   * Whether every registered follower has passed a version: then no search of any process finds what was removed by it.
   * Drops those that have not been seen.
   */
  async allPassed(version: number): Promise<{ readonly passed: boolean; readonly behind: readonly BehindFollower[] }> {
    await this.database.db.delete(galleryFollower).where(unseen);
    const { id, kind, seenAt, version: reached } = galleryFollower;
    const behind = await this.database.db
      .select({ id, kind, version: reached, seenAt })
      .from(galleryFollower)
      .where(lt(galleryFollower.version, version))
      .orderBy(asc(id));
    return { passed: behind.length === 0, behind };
  }

  async list(): Promise<readonly FollowerRow[]> {
    await this.database.db.delete(galleryFollower).where(unseen);
    return this.database.db.select().from(galleryFollower).orderBy(asc(galleryFollower.id));
  }

  /** Registers, as holding nothing that is known; a shared gallery that is registered already stays as it is. */
  async register(follower: Follower): Promise<void> {
    await this.database.db
      .insert(galleryFollower)
      .values({ ...follower, seenAt: now })
      .onConflictDoNothing();
  }

  async read(id: string): Promise<FollowerRow | undefined> {
    const [row] = await this.database.db.select().from(galleryFollower).where(eq(galleryFollower.id, id));
    return row;
  }

  /**
   * Says that it is there.
   *
   * @returns the row; undefined when it was dropped, or has another writer
   */
  async seen(id: string, writer: string | null): Promise<FollowerRow | undefined> {
    const [row] = await this.database.db
      .update(galleryFollower)
      .set({ seenAt: now })
      .where(heldBy(id, writer))
      .returning();
    return row;
  }

  /** Says how far it is, and tells those who share it. @returns false when it was dropped, or has another writer */
  async advance(id: string, writer: string | null, version: number): Promise<boolean> {
    const advanced = await this.database.db
      .update(galleryFollower)
      .set({ version, seenAt: now })
      .where(heldBy(id, writer))
      .returning({ id: galleryFollower.id });
    // For the position of a process's own gallery nobody waits but itself.
    if (writer !== null) await this.database.db.execute(told);
    return advanced.length > 0;
  }

  /** Makes a process the writer of a shared gallery. Only who holds the claim to it may call this. */
  async occupy(id: string, writer: string | null): Promise<void> {
    await this.database.db.update(galleryFollower).set({ writer }).where(eq(galleryFollower.id, id));
  }

  /** Removes a follower that holds no template any more. @returns false when there is none */
  async remove(id: string): Promise<boolean> {
    const removed = await this.database.db
      .delete(galleryFollower)
      .where(eq(galleryFollower.id, id))
      .returning({ id: galleryFollower.id });
    return removed.length > 0;
  }

  /** Asks every follower that is not at it already to build its gallery anew. */
  async requestRebuild(): Promise<void> {
    const { rebuildState } = galleryFollower;
    await this.database.db
      .update(galleryFollower)
      .set({ rebuildState: 'requested', rebuildProgress: 0, rebuildRequestedAt: now, rebuildFinishedAt: null })
      .where(or(isNull(rebuildState), notInArray(rebuildState, ['requested', 'running'])));
    await this.database.db.execute(told);
  }

  /** @param progress 0 to 1 */
  async rebuilding(id: string, progress: number): Promise<void> {
    await this.database.db
      .update(galleryFollower)
      .set({ rebuildState: 'running', rebuildProgress: progress, seenAt: now })
      .where(eq(galleryFollower.id, id));
  }

  async rebuilt(id: string, state: 'done' | 'failed'): Promise<void> {
    const rebuildProgress = state === 'done' ? { rebuildProgress: 1 } : {};
    await this.database.db
      .update(galleryFollower)
      .set({ rebuildState: state, ...rebuildProgress, rebuildFinishedAt: now })
      .where(and(eq(galleryFollower.id, id), inArray(galleryFollower.rebuildState, ['requested', 'running'])));
  }
}

export const lost = (): AppError =>
  new AppError('GALLERY.LOST', 'The gallery is not this process’s to keep any more.', { retryable: true });

function heldBy(id: string, writer: string | null) {
  const { writer: holder } = galleryFollower;
  return and(eq(galleryFollower.id, id), writer === null ? isNull(holder) : eq(holder, writer));
}
