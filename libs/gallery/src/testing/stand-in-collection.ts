import { refuse } from './refusal.js';
import { keysOf, matches, readFilter, sizeOf, type Filter } from './stand-in-filter.js';

type Json = Readonly<Record<string, unknown>>;

interface Point {
  readonly id: string;
  /** Normalised, in float32, as Qdrant keeps it. */
  readonly vector: Float32Array;
  readonly payload: Json;
  readonly version: number;
}

/** Strict mode's numbers, as far as the adapter's requests can reach them. */
interface StrictMode {
  readonly enabled?: boolean;
  readonly max_query_limit?: number;
  readonly upsert_max_batchsize?: number;
  readonly search_max_batchsize?: number;
  readonly search_max_hnsw_ef?: number;
  readonly search_max_oversampling?: number;
  readonly search_allow_exact?: boolean;
  readonly unindexed_filtering_retrieve?: boolean;
  readonly filter_max_conditions?: number;
  readonly condition_max_size?: number;
  readonly max_timeout?: number;
}

/** One collection in memory: exact searches by brute force, in float32 as Qdrant's. */
export class StandInCollection {
  readonly config: Json;
  readonly #dimension: number;
  readonly #strict: StrictMode;
  readonly #points = new Map<string, Point>();
  readonly #indexes = new Map<string, Json>();
  #operations = 0;

  constructor(config: Json) {
    const vectors = config.vectors as { readonly size: number; readonly distance: string };
    if (vectors.distance !== 'Cosine') throw refuse(501, 'another distance');
    this.config = config;
    this.#dimension = vectors.size;
    const strict = (config.strict_mode_config ?? {}) as StrictMode;
    this.#strict = strict.enabled === true ? strict : {};
  }

  info(): Json {
    const { vectors, hnsw_config: hnsw, optimizers_config: optimizers } = this.config;
    const schema = [...this.#indexes].map(([field, params]) => {
      const points = [...this.#points.values()].filter(({ payload }) => payload[field] !== undefined).length;
      return [field, { data_type: params.type, params, points }];
    });
    return {
      status: 'green',
      optimizer_status: 'ok',
      points_count: this.#points.size,
      segments_count: 1,
      config: {
        params: { vectors, replication_factor: this.config.replication_factor },
        hnsw_config: { full_scan_threshold: 10_000, max_indexing_threads: 0, ...(hnsw as Json) },
        optimizer_config: { default_segment_number: 0, flush_interval_sec: 5, ...(optimizers as Json) },
        quantization_config: this.config.quantization_config,
        strict_mode_config: this.config.strict_mode_config,
      },
      payload_schema: Object.fromEntries(schema) as Json,
    };
  }

  createIndex({ field_name: field, field_schema: schema }: Json): Json {
    const params = schema as Json;
    if (params.type !== 'keyword') throw refuse(501, 'another index');
    this.#indexes.set(String(field), params);
    return this.#done();
  }

  upsert({ points, ...rest }: Json): Json {
    if (Object.keys(rest).length > 0) throw refuse(501, 'such an upsert');
    const list = points as readonly { id: string; vector: readonly number[]; payload?: Json }[];
    this.#limit(list.length, this.#strict.upsert_max_batchsize, 'upsert limit');
    // All or nothing: every vector is looked at before one is stored.
    const read = list.map(({ id, vector, payload = {} }) => ({ id, payload, vector: this.#normalised(vector) }));
    this.#operations += 1;
    for (const point of read) this.#points.set(point.id, { ...point, version: this.#operations });
    return this.#done(0);
  }

  delete({ points, ...rest }: Json): Json {
    if (!Array.isArray(points) || Object.keys(rest).length > 0) throw refuse(501, 'such a deletion');
    for (const id of points) this.#points.delete(String(id));
    return this.#done();
  }

  queryBatch(searches: readonly Json[], disturb: (score: number) => number): readonly Json[] {
    this.#limit(searches.length, this.#strict.search_max_batchsize, 'search batch size');
    return searches.map((search) => ({ points: this.#query(search, disturb) }));
  }

  scroll({ limit, offset, filter, with_payload: withPayload, with_vector: withVector, ...rest }: Json): Json {
    if (withVector !== false || rest.order_by !== undefined) throw refuse(501, 'such a scroll');
    const wanted = Number(limit);
    this.#limit(wanted, this.#strict.max_query_limit, 'limit');
    const found = [...this.#passing(readFilter(filter))].sort((a, b) => (a.id < b.id ? -1 : 1));
    const page = found.filter(({ id }) => typeof offset !== 'string' || id >= offset);
    return {
      points: page.slice(0, wanted).map(({ id, payload }) => ({ id, payload: selected(payload, withPayload) })),
      next_page_offset: page[wanted]?.id ?? null,
    };
  }

  facet({ key, limit, filter, exact }: Json): Json {
    if (exact !== true || filter !== undefined) throw refuse(501, 'such a facet');
    const field = String(key);
    this.#limit(Number(limit), this.#strict.max_query_limit, 'limit');
    if (!this.#indexes.has(field)) throw refuse(400, `No appropriate index for faceting: \`${field}\``);
    const counts = new Map<string, number>();
    for (const { payload } of this.#points.values()) {
      const value = String(payload[field]);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const hits = [...counts].map(([value, count]) => ({ value, count }));
    return { hits: hits.sort((a, b) => b.count - a.count).slice(0, Number(limit)) };
  }

  checkTimeout(seconds: number): void {
    this.#limit(seconds, this.#strict.max_timeout, 'timeout');
  }

  #query(search: Json, disturb: (score: number) => number): readonly Json[] {
    const { query, filter, params, limit, with_payload: withPayload, with_vector: withVector, ...rest } = search;
    if (!Array.isArray(query) || withVector !== false || Object.keys(rest).length > 0)
      throw refuse(501, 'such a query');
    const wanted = Number(limit);
    this.#limit(wanted, this.#strict.max_query_limit, 'limit');
    this.#checkParams(params as Json);
    const probe = this.#normalised(query as readonly number[]);
    const scored = [...this.#passing(readFilter(filter))].map((point) => ({
      point,
      score: disturb(dot(probe, point.vector)),
    }));
    return scored
      .sort((a, b) => b.score - a.score)
      .slice(0, wanted)
      .map(({ point: { id, version, payload }, score }) => ({
        ...{ id, version, score },
        payload: selected(payload, withPayload),
      }));
  }

  #checkParams({ exact, hnsw_ef: ef, quantization, ...rest }: Json): void {
    if (Object.keys(rest).length > 0) throw refuse(501, 'such search parameters');
    if (exact === true && this.#strict.search_allow_exact === false) throw refuse(400, 'Exact search disabled!');
    this.#limit(Number(ef ?? 0), this.#strict.search_max_hnsw_ef, 'hnsw_ef');
    const { oversampling } = (quantization ?? {}) as { readonly oversampling?: number };
    this.#limit(oversampling ?? 0, this.#strict.search_max_oversampling, 'oversampling');
  }

  *#passing(filter: Filter): Generator<Point> {
    const unindexed = keysOf(filter).find((key) => !this.#indexes.has(key));
    if (unindexed !== undefined && this.#strict.unindexed_filtering_retrieve === false) {
      throw refuse(400, `Bad request: Index required but not found for "${unindexed}"`);
    }
    const { conditions, largest } = sizeOf(filter);
    this.#limit(conditions, this.#strict.filter_max_conditions, 'filter conditions');
    this.#limit(largest, this.#strict.condition_max_size, 'condition size');
    for (const point of this.#points.values()) if (matches(point.payload, filter)) yield point;
  }

  #limit(value: number, limit: number | undefined, name: string): void {
    if (limit === undefined || value <= limit) return;
    throw refuse(400, `Bad request: Limit exceeded ${value} > ${limit} for "${name}"`);
  }

  #normalised(vector: readonly number[]): Float32Array {
    if (vector.length !== this.#dimension) {
      const expected = `expected dim: ${this.#dimension}, got ${vector.length}`;
      throw refuse(400, `Wrong input: Vector dimension error: ${expected}`);
    }
    const single = Float32Array.from(vector);
    const length = Math.fround(Math.sqrt(dot(single, single)));
    return length === 0 ? single : single.map((component) => component / length);
  }

  #done(operations = 1): Json {
    this.#operations += operations;
    return { operation_id: this.#operations, status: 'completed' };
  }
}

/** In float32, rounded after every step. */
function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) {
    sum = Math.fround(sum + Math.fround((a[index] ?? 0) * (b[index] ?? 0)));
  }
  return sum;
}

function selected(payload: Json, fields: unknown): Json {
  if (!Array.isArray(fields)) throw refuse(501, 'such a selection of the payload');
  return Object.fromEntries(Object.entries(payload).filter(([field]) => fields.includes(field)));
}
