import { dot, type ImpostorScores } from './comparisons.js';

/** A vector and whose it is: the place of the person in the caller's list, from 0. */
export interface PersonVector {
  readonly person: number;
  readonly vector: Float32Array;
}

/** A probe of which somebody has said whose it is. */
export interface LabelledProbe extends PersonVector {
  /** How many sightings it stands for, above 0. */
  readonly weight: number;
}

/** One labelled probe against its own person. */
export interface GenuineScore {
  readonly person: number;
  readonly weight: number;
  /** Of the nearest of their templates. */
  readonly score: number;
}

/** Labelled probes of a site against the gallery. */
export interface SiteScores {
  readonly genuine: readonly GenuineScore[];
  /** Scores against others from the floor on, falling: `one` is the probe's person, `other` the template's. */
  readonly impostorTail: ImpostorScores;
  /** Comparisons with others, whatever their score. */
  readonly comparisons: number;
  /** Pairs of two people that were compared: what the comparisons are worth as independent ones, at least. */
  readonly pairs: number;
  /** By person. */
  readonly probesOf: Int32Array;
  readonly templatesOf: Int32Array;
  /** Probes that are enrolled themselves and nothing else is of their person: they say nothing of a match. */
  readonly enrolledThemselves: number;
}

/** From this cosine on a probe and a template are one and the same: the codes of both differ by thousandths at most. */
const SAME = 0.999;

/** Scores probes one by one, so that whoever has many can let others work between them. */
export class SiteScoring {
  readonly #enrolled: readonly PersonVector[];
  readonly #templatesOf: Int32Array;
  readonly #probesOf: Int32Array;
  readonly #genuine: GenuineScore[] = [];
  readonly #tail: { readonly score: number; readonly one: number; readonly other: number }[] = [];
  #comparisons = 0;
  #enrolledThemselves = 0;

  /**
   * @param enrolled the gallery, or some of it; vectors of one dimension and of any length but 0
   * @param people how many there are in the list that `person` points into
   * @param floor cosine below which impostor scores are counted alone
   */
  constructor(
    enrolled: readonly PersonVector[],
    people: number,
    private readonly floor: number,
  ) {
    this.#enrolled = enrolled.map(({ person, vector }) => ({ person, vector: unit(vector) }));
    this.#templatesOf = new Int32Array(people);
    this.#probesOf = new Int32Array(people);
    for (const { person } of enrolled) this.#templatesOf[person] = (this.#templatesOf[person] ?? 0) + 1;
  }

  add({ person, vector, weight }: LabelledProbe): void {
    const probe = unit(vector);
    let own = -Infinity;
    let isEnrolled = false;
    for (const template of this.#enrolled) {
      const score = dot(template.vector, probe);
      if (template.person !== person) {
        this.#comparisons += 1;
        if (score >= this.floor) this.#tail.push({ score, one: person, other: template.person });
      } else if (score > SAME) isEnrolled = true;
      else own = Math.max(own, score);
    }
    this.#probesOf[person] = (this.#probesOf[person] ?? 0) + 1;
    if (own > -Infinity) this.#genuine.push({ person, weight, score: own });
    else if (isEnrolled) this.#enrolledThemselves += 1;
  }

  scores(): SiteScores {
    const falling = this.#tail.toSorted((a, b) => b.score - a.score);
    const galleryPeople = this.#templatesOf.reduce((count, templates) => count + Number(templates > 0), 0);
    const pairs = this.#probesOf.reduce(
      (sum, probes, person) =>
        probes === 0 ? sum : sum + galleryPeople - Number((this.#templatesOf[person] ?? 0) > 0),
      0,
    );
    return {
      genuine: [...this.#genuine],
      impostorTail: {
        scores: Float32Array.from(falling, ({ score }) => score),
        one: Int32Array.from(falling, ({ one }) => one),
        other: Int32Array.from(falling, ({ other }) => other),
      },
      ...{ comparisons: this.#comparisons, pairs, enrolledThemselves: this.#enrolledThemselves },
      ...{ probesOf: this.#probesOf, templatesOf: this.#templatesOf },
    };
  }
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}
