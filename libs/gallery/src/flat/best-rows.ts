/**
 * The rows with the highest bounds of those offered: `capacity` of them, or up to twice as many. Whenever there are twice
 * as many the lower half is dropped, which costs less than keeping an order.
 */
export class BestRows {
  readonly capacity: number;
  readonly #bounds: Float64Array;
  readonly #rows: Int32Array;
  #size = 0;
  #bar = -Infinity;

  /** @param capacity at least 1 */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#bounds = new Float64Array(2 * capacity);
    this.#rows = new Int32Array(2 * capacity);
  }

  /** No row that was offered and is not held has a bound above this. Minus infinity: all are held. */
  get bar(): number {
    return this.#bar;
  }

  offer(row: number, bound: number): void {
    if (bound <= this.#bar) return;
    if (this.#size === this.#rows.length) {
      this.#drop();
      if (bound <= this.#bar) return;
    }
    this.#bounds[this.#size] = bound;
    this.#rows[this.#size] = row;
    this.#size += 1;
  }

  /** The `capacity` highest of all rows, or all if they are fewer; highest bound first. */
  ranked(): { readonly row: number; readonly bound: number }[] {
    if (this.#size > this.capacity) this.#drop();
    const held = Array.from({ length: this.#size }, (_, index) => ({
      row: this.#rows[index] ?? 0,
      bound: this.#bounds[index] ?? 0,
    }));
    return held.sort((a, b) => b.bound - a.bound);
  }

  /** Keeps the `capacity` highest, by Hoare's selection; of rows with the bound of the last of them any may stay. */
  #drop(): void {
    const bounds = this.#bounds;
    let [low, high] = [0, this.#size - 1];
    while (low < high) {
      const pivot = bounds[(low + high) >> 1] ?? 0;
      let [left, right] = [low, high];
      while (left <= right) {
        while ((bounds[left] ?? 0) > pivot) left += 1;
        while ((bounds[right] ?? 0) < pivot) right -= 1;
        if (left > right) break;
        this.#swap(left, right);
        left += 1;
        right -= 1;
      }
      if (this.capacity <= right) high = right;
      else if (this.capacity >= left) low = left;
      else break;
    }
    this.#bar = bounds[this.capacity] ?? -Infinity;
    this.#size = this.capacity;
  }

  #swap(one: number, other: number): void {
    const [bounds, rows] = [this.#bounds, this.#rows];
    const [bound, row] = [bounds[one] ?? 0, rows[one] ?? 0];
    bounds[one] = bounds[other] ?? 0;
    rows[one] = rows[other] ?? 0;
    bounds[other] = bound;
    rows[other] = row;
  }
}
