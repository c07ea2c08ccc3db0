import { randomUUID } from 'node:crypto';

import type { SpaceId } from '@sightline/kernel';
import { AppError } from '@sightline/kernel';

import { collectionOf, payloadIndexes, type CollectionNames, type CollectionOptions } from './collection-plan.js';
import type { QdrantServer } from './qdrant-server.js';

/** Where one model space's points lie. */
export interface Shelf {
  readonly spaceId: SpaceId;
  /** A collection, or an alias of one. */
  readonly collection: string;
}

/** The shelves that changes go to. */
export interface Shelves {
  /** All of them, as they are now. */
  all(): Promise<readonly Shelf[]>;
  /** The components of a shelf's vectors; undefined: there is none. */
  dimension(spaceId: SpaceId): Promise<number | undefined>;
  /** Makes one where there is none. */
  make(spaceId: SpaceId, dimension: number): Promise<void>;
}

export interface ShelvesOptions extends CollectionOptions {
  readonly server: QdrantServer;
  readonly names: CollectionNames;
}

/** The shelves that searches see: an alias for each model space. */
export class ServedShelves implements Shelves {
  readonly #options: ShelvesOptions;
  readonly #dimensions = new Map<SpaceId, number>();

  constructor(options: ShelvesOptions) {
    this.#options = options;
  }

  async all(): Promise<readonly Shelf[]> {
    const { names } = this.#options;
    const aliases = await readAliases(this.#options);
    return aliases.map(({ alias }) => ({ spaceId: names.spaceOf(alias), collection: alias }));
  }

  async dimension(spaceId: SpaceId): Promise<number | undefined> {
    const known = this.#dimensions.get(spaceId);
    if (known !== undefined) return known;
    const { server, names } = this.#options;
    const found = await server.call({ what: 'collection', deadline: 'search' }, (client) =>
      client.getCollection(names.alias(spaceId)),
    );
    const size = found?.config.params.vectors?.size;
    // Absence is not kept: the writer may be another process.
    if (typeof size !== 'number') return undefined;
    this.#dimensions.set(spaceId, size);
    return size;
  }

  /** Forgets what was known of a shelf that turned out not to be there. */
  forget(spaceId: SpaceId): void {
    this.#dimensions.delete(spaceId);
  }

  async make(spaceId: SpaceId, dimension: number): Promise<void> {
    const collection = await createCollection(this.#options, spaceId, dimension);
    await switchAliases(this.#options, [{ spaceId, collection }], []);
    this.#dimensions.set(spaceId, dimension);
  }
}

/** Shelves beside those that are served, until they take their place. */
export class NewShelves implements Shelves {
  readonly #options: ShelvesOptions;
  readonly #made = new Map<SpaceId, { readonly collection: string; readonly dimension: number }>();

  constructor(options: ShelvesOptions) {
    this.#options = options;
  }

  async all(): Promise<readonly Shelf[]> {
    return [...this.#made].map(([spaceId, { collection }]) => ({ spaceId, collection }));
  }

  async dimension(spaceId: SpaceId): Promise<number | undefined> {
    return this.#made.get(spaceId)?.dimension;
  }

  async make(spaceId: SpaceId, dimension: number): Promise<void> {
    const collection = await createCollection(this.#options, spaceId, dimension);
    this.#made.set(spaceId, { collection, dimension });
  }

  /** Deletes them. */
  async abandon(): Promise<void> {
    for (const { collection } of await this.all()) await deleteCollection(this.#options, collection);
    this.#made.clear();
  }

  /** Puts them in the place of all that are served, at once, and deletes those. */
  async complete(): Promise<void> {
    const before = await readAliases(this.#options);
    const replaced = before.map(({ alias }) => alias);
    await switchAliases(this.#options, await this.all(), replaced);
    await prune(this.#options);
  }
}

/** Deletes the collections that no alias names: what was replaced, and what an interrupted rebuild left. */
export async function prune(options: ShelvesOptions): Promise<void> {
  const { server, names } = options;
  const served = new Set((await readAliases(options)).map(({ collection }) => collection));
  const listed = await server.call({ what: 'collections', deadline: 'search' }, (client) => client.getCollections());
  const left = (listed?.collections ?? []).filter(({ name }) => names.owns(name) && !served.has(name));
  for (const { name } of left) await deleteCollection(options, name);
}

async function deleteCollection({ server }: ShelvesOptions, name: string): Promise<void> {
  await server.call({ what: 'delete collection', deadline: 'change' }, (client, timeout) =>
    client.deleteCollection(name, { timeout }),
  );
}

async function readAliases({ server, names }: ShelvesOptions) {
  const answer = await server.call({ what: 'aliases', deadline: 'search' }, (client) => client.getAliases());
  const aliases = (answer?.aliases ?? []).filter(({ alias_name: alias }) => names.owns(alias));
  return aliases.map(({ alias_name: alias, collection_name: collection }) => ({ alias, collection }));
}

/** A collection with its indexes, empty and not yet served. */
async function createCollection(
  { server, names, replicas }: ShelvesOptions,
  spaceId: SpaceId,
  dimension: number,
): Promise<string> {
  // A name that was never used, so that a collection is never taken for another's.
  const collection = names.collection(spaceId, randomUUID());
  const deadline = 'change';
  await server.call({ what: 'create collection', deadline }, async (client, timeout) => {
    const there = await client.collectionExists(collection);
    if (!there.exists) await client.createCollection(collection, { ...collectionOf(dimension, { replicas }), timeout });
  });
  for (const [field, schema] of Object.entries(payloadIndexes)) {
    await server.call({ what: 'create index', deadline }, (client, timeout) =>
      client.createPayloadIndex(collection, { field_name: field, field_schema: schema, wait: true, timeout }),
    );
  }
  return collection;
}

/** In one step: Qdrant applies all actions or none. */
async function switchAliases(options: ShelvesOptions, to: readonly Shelf[], from: readonly string[]): Promise<void> {
  const { server, names } = options;
  const wanted = new Map(to.map(({ spaceId, collection }) => [names.alias(spaceId), collection]));
  const actions = [
    ...from.map((alias) => ({ delete_alias: { alias_name: alias } })),
    ...[...wanted].map(([alias, collection]) => ({
      create_alias: { alias_name: alias, collection_name: collection },
    })),
  ];
  if (actions.length === 0) return;
  await server.call({ what: 'switch aliases', deadline: 'change' }, (client, timeout) =>
    client.updateCollectionAliases({ actions, timeout }),
  );
  // Looked at, not believed: a second attempt may find that the first one has deleted what it would delete.
  const now = new Map((await readAliases(options)).map(({ alias, collection }) => [alias, collection]));
  const switched = [...wanted].every(([alias, collection]) => now.get(alias) === collection);
  if (switched && from.every((alias) => wanted.has(alias) || !now.has(alias))) return;
  throw new AppError('SERVICE.UNAVAILABLE', 'The gallery was not switched.', { retryable: true });
}
