import {
  AppError,
  isSlug,
  silentLogger,
  systemClock,
  type Clock,
  type Logger,
  type SpaceId,
  type TemplateId,
} from '@sightline/kernel';
import { assertDimension, validateTemplate, type Template } from '@sightline/template-protection';
import type { Schemas } from '@qdrant/js-client-rest';

import type { Candidate, Gallery, GalleryEntry, PartitionSize, SearchOptions } from '../gallery.js';
import { CollectionNames, largestQuery } from './collection-plan.js';
import { nearestInCollection, type CollectionReader, type SearchKind } from './nearest-search.js';
import { PointWriter } from './point-writer.js';
import { QdrantServer, type QdrantServerOptions } from './qdrant-server.js';
import { NewShelves, prune, ServedShelves, type ShelvesOptions } from './shelves.js';

export interface QdrantGalleryOptions extends Omit<QdrantServerOptions, 'clock'> {
  /** What the names of its collections begin with: one for each installation that shares a server. */
  readonly prefix?: string;
  /** Copies of each shard; at most the nodes of the cluster. Default: 1. */
  readonly replicas?: number;
  /** Default: exact. */
  readonly search?: SearchKind;
  readonly log?: Logger;
  readonly clock?: Clock;
}

/** A gallery in Qdrant. Any number of processes may search it; one at a time may change it. */
export interface QdrantGallery extends Gallery {
  /** Whether Qdrant is there, takes requests, and is of a version that knows what is asked of it. */
  ready(signal?: AbortSignal): Promise<boolean>;
  /** After this a change that was given up cannot be on its way any more, ms. */
  readonly longestChangeMs: number;
  /** Deletes what an interrupted rebuild left. */
  prune(): Promise<void>;
  /** An empty gallery beside this one, which takes its place when it is complete. */
  rebuild(): GalleryRebuild;
}

/** A gallery that is being filled: changed as any other, seen by no search. */
export interface GalleryRebuild extends Pick<Gallery, 'upsert' | 'remove'> {
  /** Puts it in the place of the one that is served, in one step, and deletes that. */
  complete(): Promise<void>;
  /** Deletes it. */
  abandon(): Promise<void>;
}

const largestLimit = 10_000;
/** Model spaces, and partitions within one, that are counted at most. */
const largestFacet = largestQuery;

/**
 * Opens a gallery in Qdrant. Asks Qdrant for nothing yet: it may be started later.
 *
 * Unlike the flat gallery it keeps its content, and a model space's dimension, when the process ends; and a change that
 * fails halfway (`SERVICE.UNAVAILABLE`) may have been applied in part: repeat it.
 *
 * @throws AppError `CONFIG.INVALID` for a prefix that is not lower-case letters, digits and inner hyphens
 */
export function openQdrantGallery(options: QdrantGalleryOptions): QdrantGallery {
  const { prefix = 'sightline', replicas = 1, search = 'exact', log = silentLogger, clock = systemClock } = options;
  if (!isSlug(prefix)) throw new AppError('CONFIG.INVALID', 'The prefix is not a name of letters, digits and hyphens.');
  if (options.apiKey !== undefined && new URL(options.url).protocol === 'http:') {
    log.warn({}, 'the key of the gallery travels unencrypted');
  }
  const server = new QdrantServer({ ...options, clock });
  return new ServedGallery({ server, names: new CollectionNames(prefix), replicas }, { kind: search, log });
}

class ServedGallery implements QdrantGallery {
  readonly longestChangeMs: number;
  readonly #options: ShelvesOptions;
  readonly #shelves: ServedShelves;
  readonly #writer: PointWriter;
  readonly #kind: SearchKind;
  readonly #log: Logger;

  constructor(options: ShelvesOptions, { kind, log }: { readonly kind: SearchKind; readonly log: Logger }) {
    this.#options = options;
    this.longestChangeMs = options.server.longestChangeMs;
    this.#shelves = new ServedShelves(options);
    this.#writer = new PointWriter(options.server, this.#shelves);
    this.#kind = kind;
    this.#log = log;
  }

  upsert(entries: readonly GalleryEntry[]): Promise<void> {
    return this.#writer.upsert(entries);
  }

  remove(templateIds: readonly TemplateId[]): Promise<void> {
    return this.#writer.remove(templateIds);
  }

  async search(probes: readonly Template[], options: SearchOptions): Promise<readonly (readonly Candidate[])[]> {
    const { limit, filter, signal } = options;
    signal?.throwIfAborted();
    if (!Number.isInteger(limit) || limit < 1 || limit > largestLimit) {
      throw new AppError('REQUEST.INVALID', `The limit of a search is a whole number from 1 to ${largestLimit}.`);
    }
    for (const probe of probes) validateTemplate(probe);
    const found = probes.map((): readonly Candidate[] => []);
    for (const [spaceId, places] of placesBySpace(probes)) {
      const group = places.flatMap((place) => probes[place] ?? []);
      const answers = filter?.groups?.length === 0 ? [] : await this.#searchSpace(spaceId, group, options);
      places.forEach((place, index) => (found[place] = answers[index] ?? []));
    }
    return found;
  }

  async partitions(): Promise<readonly PartitionSize[]> {
    const sizes: PartitionSize[] = [];
    for (const { spaceId, collection } of await this.#shelves.all()) {
      const counted = await this.#options.server.call({ what: 'count', deadline: 'change' }, (client, timeout) =>
        client.facet(collection, { key: 'partition', limit: largestFacet, exact: true, timeout }),
      );
      for (const { value, count } of counted?.hits ?? []) {
        if (count > 0) sizes.push({ spaceId, keyId: String(value) as PartitionSize['keyId'], templates: count });
      }
    }
    return sizes;
  }

  async ready(signal?: AbortSignal): Promise<boolean> {
    try {
      const answer = await this.#options.server.call({ what: 'version', deadline: 'search', signal }, (client) =>
        client.versionInfo(),
      );
      const version = answer?.version ?? '';
      if (isSupported(version)) return true;
      this.#log.error({ version }, 'this version of Qdrant is too old for the gallery');
      return false;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof AppError) return false;
      throw error;
    }
  }

  prune(): Promise<void> {
    return prune(this.#options);
  }

  rebuild(): GalleryRebuild {
    const shelves = new NewShelves(this.#options);
    const writer = new PointWriter(this.#options.server, shelves);
    return {
      upsert: (entries) => writer.upsert(entries),
      remove: (templateIds) => writer.remove(templateIds),
      complete: () => shelves.complete(),
      abandon: async () => {
        await writer.idle();
        await shelves.abandon();
      },
    };
  }

  async close(): Promise<void> {
    await this.#writer.idle();
  }

  async #searchSpace(spaceId: SpaceId, probes: readonly Template[], { limit, filter, signal }: SearchOptions) {
    const reader = this.#reader(this.#options.names.alias(spaceId), signal);
    for (;;) {
      const dimension = await this.#shelves.dimension(spaceId);
      signal?.throwIfAborted();
      if (dimension === undefined) return [];
      for (const probe of probes) assertDimension(probe.dimension, dimension);
      const found = await nearestInCollection(reader, probes, { limit, filter, kind: this.#kind });
      if (found !== undefined) return found;
      // Replaced or deleted in between.
      this.#shelves.forget(spaceId);
    }
  }

  #reader(collection: string, signal: AbortSignal | undefined): CollectionReader {
    const { server } = this.#options;
    const deadline = 'search';
    return {
      query: (searches) =>
        server.call({ what: 'query', deadline, signal }, (client, timeout) =>
          client.queryBatch(collection, { searches: [...searches], timeout }),
        ),
      scroll: (request) =>
        server.call<Schemas['ScrollResult']>({ what: 'scroll', deadline, signal }, (client, timeout) =>
          client.scroll(collection, { ...request, timeout }),
        ),
    };
  }
}

/** Strict mode, whose limits every collection has, is there from 1.13 on. */
function isSupported(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) > 1 || (Number(major) === 1 && Number(minor) >= 13);
}

function placesBySpace(probes: readonly Template[]): ReadonlyMap<SpaceId, readonly number[]> {
  const places = new Map<SpaceId, number[]>();
  probes.forEach(({ spaceId }, place) => {
    const group = places.get(spaceId);
    if (group) group.push(place);
    else places.set(spaceId, [place]);
  });
  return places;
}
