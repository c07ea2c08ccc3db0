import { TemplateCodec, type CachedPerson, type Template as WireTemplate } from '@sightline/contracts';
import { AppError, isUuid, type KeyId, type PersonId, type SpaceId } from '@sightline/kernel';
import { byScoreThenPerson, cosine, type ScoredPerson } from '@sightline/matching';
import { CodedRows, validateCodedVector } from '@sightline/template-protection';

import type { Belonging } from './cache-head.js';

interface HeldPerson {
  readonly rows: number[];
  readonly groups: readonly string[];
}

/** The people of one model space and template key, in memory, searched on the calling thread. */
export class HeldPeople {
  readonly belonging: Belonging;
  readonly #codes: CodedRows;
  readonly #people = new Map<PersonId, HeldPerson>();
  /** Whose each row is. */
  readonly #owners: PersonId[] = [];

  constructor(belonging: Belonging) {
    this.belonging = belonging;
    this.#codes = new CodedRows(belonging.dimension);
  }

  get people(): number {
    return this.#people.size;
  }

  get templates(): number {
    return this.#codes.size;
  }

  templatesOf(personId: PersonId): number {
    return this.#people.get(personId)?.rows.length ?? 0;
  }

  has(personId: PersonId): boolean {
    return this.#people.has(personId);
  }

  groupsOf(personId: PersonId): readonly string[] {
    return this.#people.get(personId)?.groups ?? [];
  }

  /** Takes a person that {@link belongingOf} has accepted, in the place of what was held of them. */
  put({ personId, templates, groups }: CachedPerson): void {
    const id = personId as PersonId;
    this.remove(id);
    const rows = templates.map((template) => {
      this.#owners.push(id);
      return this.#codes.add(template);
    });
    this.#people.set(id, { rows, groups });
  }

  /** Leaves nothing of a person, in memory that was overwritten. */
  remove(personId: PersonId): void {
    const person = this.#people.get(personId);
    if (!person) return;
    this.#people.delete(personId);
    // From the last row on: the one that fills a gap is then never one of this person's.
    for (const row of person.rows.sort((a, b) => b - a)) {
      this.#codes.remove(row);
      const last = this.#owners.length - 1;
      const owner = this.#owners.pop();
      if (row === last || owner === undefined) continue;
      this.#owners[row] = owner;
      const rows = this.#people.get(owner)?.rows;
      rows?.splice(rows.indexOf(last), 1, row);
    }
  }

  clear(): void {
    this.#codes.clear();
    this.#people.clear();
    this.#owners.length = 0;
  }

  /**
   * The person of the nearest template by the cosine of the stored forms; ties go to the smaller person id. Equal to
   * brute force.
   *
   * @returns undefined where nobody is held
   * @throws AppError `TEMPLATE.WRONG_DIMENSION`, `TEMPLATE.INVALID`
   */
  nearest(probe: Float32Array): ScoredPerson | undefined {
    return this.near(probe, 0)[0];
  }

  /**
   * The nearest person, and where their score reaches `from` everybody whose score is less than `within` below it, best
   * first.
   *
   * @throws as {@link nearest}
   */
  near(probe: Float32Array, within: number, from = -1): readonly ScoredPerson[] {
    const best = new Map<PersonId, number>();
    for (const row of this.#codes.nearest(probe, within, from)) {
      const personId = this.#owners[row];
      if (personId === undefined) continue;
      const score = cosine(probe, this.#codes.vector(row));
      best.set(personId, Math.max(score, best.get(personId) ?? -1));
    }
    return [...best].map(([personId, score]) => ({ personId, score })).sort(byScoreThenPerson);
  }
}

/**
 * Checks people as they arrive: where all their templates belong.
 *
 * @returns null when they have no template at all
 * @throws AppError `CACHE.INVALID` (an id or a template that is none, or not int8), `CACHE.FOREIGN_SPACE`,
 *   `CACHE.FOREIGN_KEY` (templates of two kinds)
 */
export function belongingOf(people: readonly CachedPerson[]): Belonging | null {
  let common: Belonging | null = null;
  for (const { personId, templates } of people) {
    if (!isUuid(personId)) throw new AppError('CACHE.INVALID', 'The id of a person is not valid.');
    for (const template of templates) {
      const { modelSpace, keyId, dimension } = template;
      const own = { spaceId: modelSpace as SpaceId, keyId: keyId as KeyId, dimension };
      common ??= own;
      assertSameBelonging(own, common);
      assertCoded(template);
    }
  }
  return common;
}

/** @throws AppError `CACHE.FOREIGN_SPACE`, `CACHE.FOREIGN_KEY` */
export function assertSameBelonging(own: Belonging, expected: Belonging): void {
  if (own.spaceId !== expected.spaceId || own.dimension !== expected.dimension) {
    throw new AppError('CACHE.FOREIGN_SPACE', 'A template belongs to another model space.');
  }
  if (own.keyId !== expected.keyId)
    throw new AppError('CACHE.FOREIGN_KEY', 'A template was protected with another key.');
}

function assertCoded({ codec, scale, dimension, data }: WireTemplate): void {
  if (codec !== TemplateCodec.INT8) throw new AppError('CACHE.INVALID', 'A template is not coded as int8.');
  try {
    validateCodedVector({ codec: 'int8', scale, dimension, data });
  } catch (cause) {
    throw new AppError('CACHE.INVALID', 'A template is malformed.', { cause });
  }
}
