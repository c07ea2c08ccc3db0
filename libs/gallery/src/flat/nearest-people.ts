import type { PersonId } from '@sightline/kernel';
import { byScoreThenPerson } from '@sightline/matching';

import type { Candidate } from '../gallery.js';

/** The best `limit` people of the candidates offered so far, each with their best template. */
export class NearestPeople {
  readonly #limit: number;
  /** Best first. */
  readonly #nearest: Candidate[] = [];
  readonly #scores = new Map<PersonId, number>();

  /** @param limit at least 1 */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What a score must reach to change anything: minus infinity until there are `limit` people. */
  get floor(): number {
    return this.#nearest.length < this.#limit ? -Infinity : (this.#nearest.at(-1)?.score ?? -Infinity);
  }

  /** The best score of a person among the nearest; minus infinity for anybody else. */
  scoreOf(personId: PersonId): number {
    return this.#scores.get(personId) ?? -Infinity;
  }

  offer(candidate: Candidate): void {
    const known = this.#nearest.findIndex(({ personId }) => personId === candidate.personId);
    const before = this.#nearest[known];
    if (before) {
      if (byScoreThenTemplate(before, candidate) <= 0) return;
      this.#nearest.splice(known, 1);
    }
    const place = this.#nearest.findIndex((other) => byScoreThenPerson(candidate, other) < 0);
    this.#nearest.splice(place < 0 ? this.#nearest.length : place, 0, candidate);
    this.#scores.set(candidate.personId, candidate.score);
    if (this.#nearest.length <= this.#limit) return;
    const left = this.#nearest.pop();
    if (left) this.#scores.delete(left.personId);
  }

  ranked(): readonly Candidate[] {
    return this.#nearest;
  }
}

/** Which of one person's templates counts: the better one; of two equals, the smaller id. */
function byScoreThenTemplate(a: Candidate, b: Candidate): number {
  if (a.score !== b.score) return b.score - a.score;
  return a.templateId < b.templateId ? -1 : Number(a.templateId > b.templateId);
}
