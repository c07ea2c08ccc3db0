import type { PersonId, TemplateId } from '@sightline/kernel';
import { cosine } from '@sightline/matching';
import { decodeTemplate, type Template } from '@sightline/template-protection';
import type { Schemas } from '@qdrant/js-client-rest';

import { NearestPeople } from '../flat/nearest-people.js';
import type { Candidate, GalleryFilter } from '../gallery.js';
import { largestChange, largestQuery, largestQueryBatch, searchEf, searchOversampling } from './collection-plan.js';
import { filterOf, storedFields, storedFormOf, type StoredForm } from './points.js';

/**
 * `exact`: Qdrant compares a probe with every vector of its partition. `approximate`: it walks a graph of int8 codes and
 * may miss somebody; whom it returns is scored exactly all the same.
 */
export type SearchKind = 'exact' | 'approximate';

/** How one collection is asked. Undefined: it is not there. */
export interface CollectionReader {
  query(searches: readonly Schemas['QueryRequest'][]): Promise<readonly Schemas['QueryResponse'][] | undefined>;
  scroll(request: Schemas['ScrollRequest']): Promise<Schemas['ScrollResult'] | undefined>;
}

export interface NearestOptions {
  readonly limit: number;
  readonly filter?: GalleryFilter | undefined;
  readonly kind: SearchKind;
  /** Hits of one query at most. Default: what strict mode allows. */
  readonly largest?: number | undefined;
}

/** Hits in one answer, so that a batch never grows beyond some 10 MB. */
const largestAnswer = 10_000;
/** 2⁻²⁴: half a unit in the last place of a float32 at 1. */
const unitRoundoff = 2 ** -24;
/** Qdrant leaves a vector as it is whose squared length is this near to 1 (segment/src/spaces/metric_f32). */
const normalised = 1e-6;

/**
 * What a score of Qdrant's may differ from the cosine of the stored forms by: d roundings of a float32 dot product, and
 * half as many in each of two lengths (N. Higham, Accuracy and Stability of Numerical Algorithms, 3.5: γ_d ≈ d·u).
 */
export function scoreError(dimension: number): number {
  return (2 * dimension + 4) * unitRoundoff + normalised;
}

/**
 * The nearest people of each probe: for `exact` equal to brute force over the stored forms, with its ties.
 *
 * Qdrant ranks by float32; every hit is scored here from its stored form. A template that was not among the hits scores
 * at most the last hit's score and {@link scoreError}: below the last person wanted, the answer is final. Otherwise more
 * hits are asked for, up to the most that one query gives; then without the people whose best template is certain; and
 * where ten thousand templates are too close to be told apart that way, all of the partition is read.
 *
 * @returns undefined when the collection is not there
 */
export async function nearestInCollection(
  reader: CollectionReader,
  probes: readonly Template[],
  options: NearestOptions,
): Promise<readonly (readonly Candidate[])[] | undefined> {
  const searches = probes.map((probe) => new ProbeSearch(probe, options));
  for (;;) {
    const open = searches.filter(({ state }) => state === 'open');
    if (open.length === 0) break;
    for (const batch of batches(open)) {
      const answers = await reader.query(batch.map((search) => search.request()));
      if (answers === undefined) return undefined;
      batch.forEach((search, index) => search.take(answers[index]?.points ?? []));
    }
  }
  for (const search of searches) {
    if (search.state === 'undecidable' && !(await readAll(reader, search))) return undefined;
  }
  return searches.map((search) => search.ranked());
}

function* batches(open: readonly ProbeSearch[]): Generator<readonly ProbeSearch[]> {
  let batch: ProbeSearch[] = [];
  let hits = 0;
  for (const search of open) {
    if (batch.length === largestQueryBatch || (batch.length > 0 && hits + search.hits > largestAnswer)) {
      yield batch;
      [batch, hits] = [[], 0];
    }
    batch.push(search);
    hits += search.hits;
  }
  if (batch.length > 0) yield batch;
}

/** @returns false when the collection is not there */
async function readAll(reader: CollectionReader, search: ProbeSearch): Promise<boolean> {
  let offset: Schemas['ExtendedPointId'] | undefined;
  do {
    const page = await reader.scroll({
      filter: search.filter(),
      limit: largestChange,
      with_payload: [...storedFields],
      with_vector: false,
      ...(offset !== undefined && { offset }),
    });
    if (page === undefined) return false;
    for (const record of page.points) search.score(storedFormOf(record));
    const next = page.next_page_offset;
    offset = typeof next === 'string' || typeof next === 'number' ? next : undefined;
  } while (offset !== undefined);
  return true;
}

/** One probe's search, round by round. */
class ProbeSearch {
  /** Hits that the next query asks for. */
  hits: number;
  state: 'open' | 'final' | 'undecidable' = 'open';
  readonly #probe: Template;
  readonly #vector: Float32Array;
  readonly #options: NearestOptions;
  readonly #largest: number;
  readonly #people: NearestPeople;
  readonly #scored = new Set<TemplateId>();
  readonly #best = new Map<PersonId, number>();
  /** People whose best template is certain: no further hit of theirs is needed. */
  #settled: readonly PersonId[] = [];

  constructor(probe: Template, options: NearestOptions) {
    this.#probe = probe;
    this.#vector = decodeTemplate(probe);
    this.#options = options;
    this.#people = new NearestPeople(options.limit);
    // Enough at the first go for most: four templates a person.
    this.#largest = options.largest ?? largestQuery;
    this.hits = Math.min(4 * options.limit + 12, this.#largest);
  }

  filter(): Schemas['Filter'] {
    return filterOf(this.#probe, this.#options.filter, this.#settled);
  }

  request(): Schemas['QueryRequest'] {
    // Said twice: older versions read quantised codes for an exact search, too.
    const exact = { exact: true, quantization: { ignore: true } };
    const approximate = { hnsw_ef: searchEf, quantization: { rescore: true, oversampling: searchOversampling } };
    return {
      query: Array.from(this.#vector),
      filter: this.filter(),
      params: this.#options.kind === 'exact' ? exact : approximate,
      limit: this.hits,
      with_payload: [...storedFields],
      with_vector: false,
    };
  }

  take(points: readonly Schemas['ScoredPoint'][]): void {
    for (const point of points) this.score(storedFormOf(point));
    const last = points.at(-1);
    if (last === undefined || points.length < this.hits) {
      this.state = 'final';
      return;
    }
    const rest = last.score + scoreError(this.#probe.dimension);
    // Strictly: a template that ties may still have the smaller id.
    if (this.#people.floor > rest) this.state = 'final';
    else if (this.hits < this.#largest) this.hits = Math.min(4 * this.hits, this.#largest);
    else this.#settle(rest);
  }

  score({ templateId, personId, codec, scale, data }: StoredForm): void {
    if (this.#scored.has(templateId)) return;
    this.#scored.add(templateId);
    const vector = decodeTemplate({ codec, scale, data, dimension: this.#probe.dimension });
    const score = cosine(this.#vector, vector);
    this.#best.set(personId, Math.max(score, this.#best.get(personId) ?? -Infinity));
    this.#people.offer({ personId, templateId, score });
  }

  ranked(): readonly Candidate[] {
    return this.#people.ranked();
  }

  /** @param rest what the best template that was not seen may score */
  #settle(rest: number): void {
    const settled = [...this.#best].filter(([, score]) => score > rest).map(([personId]) => personId);
    if (settled.length === this.#settled.length) this.state = 'undecidable';
    this.#settled = settled;
  }
}
