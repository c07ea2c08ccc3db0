/** The `capacity` rows with the highest bounds of those offered: a binary heap whose root is the lowest. */
export class BestRows {
  readonly capacity: number;
  readonly #bounds: Float64Array;
  readonly #rows: Int32Array;
  #size = 0;
  #bar = -Infinity;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#bounds = new Float64Array(capacity);
    this.#rows = new Int32Array(capacity);
  }

  /** What a bound must exceed to enter: minus infinity until the heap is full, then the lowest bound held. */
  get bar(): number {
    return this.#bar;
  }

  /** Otherwise everything that was offered is held. */
  get full(): boolean {
    return this.#size === this.capacity;
  }

  offer(row: number, bound: number): void {
    if (bound <= this.#bar) return;
    if (this.#size < this.capacity) {
      this.#siftUp(this.#size, row, bound);
      this.#size += 1;
    } else {
      this.#siftDown(row, bound);
    }
    if (this.#size === this.capacity) this.#bar = this.#bounds[0] ?? -Infinity;
  }

  /** The rows that are held, highest bound first. */
  ranked(): { readonly row: number; readonly bound: number }[] {
    const held = Array.from({ length: this.#size }, (_, index) => ({
      row: this.#rows[index] ?? 0,
      bound: this.#bounds[index] ?? 0,
    }));
    return held.sort((a, b) => b.bound - a.bound);
  }

  #siftUp(from: number, row: number, bound: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if ((this.#bounds[parent] ?? 0) <= bound) break;
      this.#move(parent, place);
      place = parent;
    }
    this.#set(place, row, bound);
  }

  #siftDown(row: number, bound: number): void {
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && (this.#bounds[child + 1] ?? 0) < (this.#bounds[child] ?? 0)) child += 1;
      if ((this.#bounds[child] ?? 0) >= bound) break;
      this.#move(child, place);
      place = child;
    }
    this.#set(place, row, bound);
  }

  #move(from: number, to: number): void {
    this.#set(to, this.#rows[from] ?? 0, this.#bounds[from] ?? 0);
  }

  #set(place: number, row: number, bound: number): void {
    this.#rows[place] = row;
    this.#bounds[place] = bound;
  }
}
