/** What was found, with how near it is. */
export interface Scored<Item> {
  readonly item: Item;
  readonly score: number;
}

/** Keeps the best of many, in memory for twice as many. */
export class BestScores<Item> {
  #best: Scored<Item>[] = [];
  #offered = 0;

  /** @param capacity how many are kept */
  constructor(private readonly capacity: number) {}

  /** How many there were, those that are not kept included. */
  get offered(): number {
    return this.#offered;
  }

  offer(item: Item, score: number): void {
    this.#offered += 1;
    this.#best.push({ item, score });
    if (this.#best.length >= 2 * this.capacity) this.#best = this.list();
  }

  /** Best first; of equals the one that came first. */
  list(): Scored<Item>[] {
    return this.#best.toSorted((one, other) => other.score - one.score).slice(0, this.capacity);
  }
}
