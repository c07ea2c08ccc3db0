import { IdentificationOutcome, type Identification } from '@sightline/contracts';
import type { PersonId } from '@sightline/kernel';

/** What became of local decisions once the cloud had decided. */
export interface ComparisonCounts {
  readonly agreed: number;
  /** The box had named somebody, and the cloud names another or nobody. */
  readonly contradicted: number;
  /** The box had named nobody, and the cloud names somebody whom the cache holds. */
  readonly missed: number;
}

/** Decisions that are remembered: more than can wait for an answer on a box that is online. */
const REMEMBERED = 10_000;

/** Remembers whom the box named, until the cloud has answered. */
export class DecisionMemory {
  readonly #named = new Map<string, PersonId | undefined>();
  #counts: ComparisonCounts = { agreed: 0, contradicted: 0, missed: 0 };

  get counts(): ComparisonCounts {
    return this.#counts;
  }

  /** @param personId undefined: nobody */
  decided({ sightingId, revision }: Revision, personId: PersonId | undefined): void {
    this.#named.set(`${sightingId}/${revision}`, personId);
    const [oldest] = this.#named.keys();
    if (this.#named.size > REMEMBERED && oldest !== undefined) this.#named.delete(oldest);
  }

  /**
   * Takes the cloud's answer, however late: what is compared is not acted upon.
   *
   * @param holds whether the cache holds somebody
   * @returns whom the box had named wrongly, if so
   */
  answered(answer: Identification, holds: (personId: PersonId) => boolean): PersonId | undefined {
    const { outcome, localDiffered } = answer;
    if (outcome !== IdentificationOutcome.IDENTIFIED && outcome !== IdentificationOutcome.UNKNOWN) return undefined;
    const key = `${answer.sightingId}/${answer.revision}`;
    if (!this.#named.has(key)) {
      // Decided before this boot, so that the cloud alone can tell.
      if (localDiffered) this.#count('contradicted');
      return undefined;
    }
    const local = this.#named.get(key);
    this.#named.delete(key);
    const cloud = outcome === IdentificationOutcome.IDENTIFIED ? (answer.personId as PersonId) : undefined;
    if (local === cloud) this.#count('agreed');
    else if (local !== undefined) this.#count('contradicted');
    else if (cloud !== undefined && holds(cloud)) this.#count('missed');
    return local === cloud ? undefined : local;
  }

  #count(kind: keyof ComparisonCounts): void {
    this.#counts = { ...this.#counts, [kind]: this.#counts[kind] + 1 };
  }
}

interface Revision {
  readonly sightingId: string;
  readonly revision: number;
}
