/** Beyond so many people at once the oldest are forgotten. */
const SUBJECT_LIMIT = 10_000;

/** Remembers for whom something was done lately, by the monotonic clock, in this boot alone. */
export class Cooldown {
  readonly #ms: number;
  readonly #takenAtMs = new Map<string, number>();

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** @returns false when the subject was taken less than the cooldown ago; else it is taken now */
  take(subject: string, nowMs: number): boolean {
    if (this.#ms === 0) return true;
    const before = this.#takenAtMs.get(subject);
    if (before !== undefined && nowMs - before < this.#ms) return false;
    // Anew, so that the oldest stay in front.
    this.#takenAtMs.delete(subject);
    this.#takenAtMs.set(subject, nowMs);
    const [oldest] = this.#takenAtMs.keys();
    if (this.#takenAtMs.size > SUBJECT_LIMIT && oldest !== undefined) this.#takenAtMs.delete(oldest);
    return true;
  }

  /** It was not done after all. */
  giveBack(subject: string): void {
    this.#takenAtMs.delete(subject);
  }
}
