import { AppError, ExclusiveRunner, type SpaceId, type TemplateId } from '@sightline/kernel';
import { assertDimension, validateTemplate } from '@sightline/template-protection';
import type { Schemas } from '@qdrant/js-client-rest';

import type { GalleryEntry } from '../gallery.js';
import { largestChange } from './collection-plan.js';
import { pointOf } from './points.js';
import type { QdrantServer } from './qdrant-server.js';
import type { Shelves } from './shelves.js';

/**
 * Changes points.
 *
 * Invariants: changes are sent one after the other, in the order in which they were asked for, each when Qdrant has
 * applied the one before; a template lies on one shelf at most.
 */
export class PointWriter {
  readonly #server: QdrantServer;
  readonly #shelves: Shelves;
  readonly #order = new ExclusiveRunner();

  constructor(server: QdrantServer, shelves: Shelves) {
    this.#server = server;
    this.#shelves = shelves;
  }

  /** @throws AppError `TEMPLATE.INVALID`, `TEMPLATE.WRONG_DIMENSION` before anything is sent */
  async upsert(entries: readonly GalleryEntry[]): Promise<void> {
    for (const { template } of entries) validateTemplate(template);
    const latest = [...new Map(entries.map((entry) => [entry.templateId, entry])).values()];
    // Coded now: the caller may reuse the bytes.
    const points = latest.map((entry) => ({ spaceId: entry.template.spaceId, point: pointOf(entry) }));
    await this.#order.run(async () => {
      await this.#makeShelves(entries);
      for (const { spaceId, collection } of await this.#shelves.all()) {
        const here = points.filter((each) => each.spaceId === spaceId).map(({ point }) => point);
        const elsewhere = points.filter((each) => each.spaceId !== spaceId).map(({ point }) => String(point.id));
        await this.#put(collection, here);
        await this.#delete(collection, elsewhere);
      }
    });
  }

  async remove(templateIds: readonly TemplateId[]): Promise<void> {
    const ids = [...new Set(templateIds)];
    if (ids.length === 0) return;
    await this.#order.run(async () => {
      for (const { collection } of await this.#shelves.all()) await this.#delete(collection, ids);
    });
  }

  /** Resolves once nothing is under way. */
  idle(): Promise<void> {
    return this.#order.idle();
  }

  /** Makes the shelves that the entries need. Every dimension is checked before anything is made. */
  async #makeShelves(entries: readonly GalleryEntry[]): Promise<void> {
    const there = new Set((await this.#shelves.all()).map(({ spaceId }) => spaceId));
    const dimensions = new Map<SpaceId, number>();
    for (const { template } of entries) {
      const { spaceId, dimension } = template;
      if (!dimensions.has(spaceId)) {
        const known = there.has(spaceId) ? await this.#shelves.dimension(spaceId) : undefined;
        dimensions.set(spaceId, known ?? dimension);
      }
      assertDimension(dimension, dimensions.get(spaceId) ?? dimension);
    }
    for (const [spaceId, dimension] of dimensions) {
      if (!there.has(spaceId)) await this.#shelves.make(spaceId, dimension);
    }
  }

  async #put(collection: string, points: readonly Schemas['PointStruct'][]): Promise<void> {
    for (let first = 0; first < points.length; first += largestChange) {
      const part = points.slice(first, first + largestChange);
      await this.#applied('upsert', (client, timeout) =>
        client.upsert(collection, { points: part, wait: true, ordering: 'strong', timeout }),
      );
    }
  }

  async #delete(collection: string, ids: readonly string[]): Promise<void> {
    for (let first = 0; first < ids.length; first += largestChange) {
      const part = ids.slice(first, first + largestChange);
      await this.#applied('delete', (client, timeout) =>
        client.delete(collection, { points: part, wait: true, ordering: 'strong', timeout }),
      );
    }
  }

  /** Only `completed` means that searches see it: Qdrant answers a wait that took too long with status 200, too. */
  async #applied(what: string, change: Parameters<QdrantServer['call']>[1]): Promise<void> {
    const result = await this.#server.call({ what, deadline: 'change' }, change);
    const status = typeof result === 'object' && result !== null && 'status' in result ? result.status : undefined;
    if (status === 'completed') return;
    throw new AppError('SERVICE.UNAVAILABLE', 'The gallery has not applied a change.', { retryable: true });
  }
}
