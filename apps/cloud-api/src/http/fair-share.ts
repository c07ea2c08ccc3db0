/**
 * Room that clients share without quotas: each may hold as much as it leaves free. One alone gets half of it, two a third
 * each, n of them an (n + 1)th; so whoever comes next always finds some, however greedy the others are.
 *
 * Source of the rule: dynamic thresholds with α = 1, Choudhury and Hahne, IEEE/ACM Transactions on Networking 6 (1998).
 */
export class FairShare {
  readonly #capacity: number;
  readonly #held = new Map<string, number>();
  #total = 0;

  /** @param capacity of all clients together, in any unit */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** What all clients hold together. */
  get total(): number {
    return this.#total;
  }

  /** Takes room, or says that the client's share has none. */
  take(client: string, amount: number): boolean {
    const own = (this.#held.get(client) ?? 0) + amount;
    if (own > this.#capacity - this.#total) return false;
    this.#held.set(client, own);
    this.#total += amount;
    return true;
  }

  /** Gives back what was taken. */
  give(client: string, amount: number): void {
    const own = (this.#held.get(client) ?? 0) - amount;
    if (own > 0) this.#held.set(client, own);
    else this.#held.delete(client);
    this.#total -= amount;
  }
}
