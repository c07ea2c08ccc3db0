import type { SpaceId } from '@sightline/kernel';
import type { Schemas } from '@qdrant/js-client-rest';

/** Hits of one query at most: strict mode's limit, and so that of the search that stays below it. */
export const largestQuery = 10_000;
/** Points in one upsert, deletion or page. */
export const largestChange = 256;
/** Probes in one request. */
export const largestQueryBatch = 32;
/** Of the graph, where a search is not exact. */
export const searchEf = 256;
export const searchOversampling = 2;

export interface CollectionOptions {
  /** Copies of each shard. */
  readonly replicas: number;
}

/**
 * A collection of one model space. Without quantisation's loss in the answer (see `nearest-search.ts`), int8 codes are
 * what a graph search reads; the graph links a partition's points alone (m 0, payload_m 16), since every query has one.
 */
export function collectionOf(dimension: number, { replicas }: CollectionOptions): Schemas['CreateCollection'] {
  return {
    vectors: { size: dimension, distance: 'Cosine' },
    hnsw_config: { m: 0, payload_m: 16, ef_construct: 128 },
    quantization_config: { scalar: { type: 'int8', quantile: 0.99, always_ram: true } },
    // A deleted vector leaves its segment when the share is reached: the smallest numbers that Qdrant takes.
    optimizers_config: { deleted_threshold: 0.01, vacuum_min_vector_number: 100 },
    replication_factor: replicas,
    write_consistency_factor: Math.min(2, replicas),
    strict_mode_config: {
      enabled: true,
      unindexed_filtering_retrieve: false,
      unindexed_filtering_update: false,
      search_allow_exact: true,
      search_max_hnsw_ef: searchEf,
      search_max_oversampling: searchOversampling,
      max_query_limit: largestQuery,
      upsert_max_batchsize: largestChange,
      search_max_batchsize: largestQueryBatch,
      filter_max_conditions: 8,
      condition_max_size: largestQuery,
      max_timeout: 60,
    },
  };
}

/** Made before the first point, so that no graph is ever built without them. */
export const payloadIndexes: Readonly<Record<string, Schemas['KeywordIndexParams']>> = {
  partition: { type: 'keyword', is_tenant: true },
  person: { type: 'keyword', enable_hnsw: false },
  sites: { type: 'keyword', enable_hnsw: false },
  groups: { type: 'keyword', enable_hnsw: false },
};

/**
 * Names of aliases and collections. A model space's id may hold what a path and a file name may not: such bytes become
 * `_xx`, so that the id can be read back.
 */
export class CollectionNames {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = `${prefix}_`;
  }

  alias(spaceId: SpaceId): string {
    const bytes = [...Buffer.from(spaceId, 'utf8')];
    const escaped = bytes.map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9-]/.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`;
    });
    return this.#prefix + escaped.join('');
  }

  collection(spaceId: SpaceId, generation: string): string {
    return `${this.alias(spaceId)}.${generation}`;
  }

  /** Whether a collection or alias is of this prefix. */
  owns(name: string): boolean {
    return name.startsWith(this.#prefix);
  }

  /** The model space of an alias of this prefix. */
  spaceOf(alias: string): SpaceId {
    const escaped = alias.slice(this.#prefix.length);
    const bytes = escaped.replace(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    return Buffer.from(bytes, 'latin1').toString('utf8') as SpaceId;
  }
}
