import { StoppingError } from '@sightline/kernel';

export interface GroupCommitOptions<Item, Result> {
  /** Weight that one commit takes at most; an item that is heavier goes alone. */
  readonly largest: number;
  /** 1 or more. Default: 1. */
  readonly weightOf?: (item: Item) => number;
  /** Whether an item goes before those that are not urgent. Default: none does. */
  readonly isUrgent?: (item: Item) => boolean;
  /** Commits a group. @returns one result for each item, in order */
  readonly commit: (items: readonly Item[], signal: AbortSignal) => Promise<readonly Result[]>;
  /** Called for an item whose commit alone fails. What it throws is the item's failure. */
  readonly isolate: (item: Item, error: unknown, signal: AbortSignal) => Promise<Result>;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Of so many groups one begins with the items that are not urgent: those never starve. */
const PATIENCE = 4;

/**
 * Commits what arrives while a commit runs as one group with the next: under load one transaction carries many items,
 * without load an item never waits. Urgent items go first.
 *
 * Invariants: one commit runs at a time; the urgent items are committed in the order of their arrival, and so are the
 * others; an item's promise settles only after its own commit, or once stopped.
 */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  readonly #stopping = new AbortController();
  readonly #urgent: Waiting<Item, Result>[] = [];
  readonly #others: Waiting<Item, Result>[] = [];
  #groups = 0;
  #running: Promise<void> | undefined;

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  /** Items that wait for a commit. */
  get waiting(): number {
    return this.#urgent.length + this.#others.length;
  }

  /** Aborted once stopping. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) {
        reject(this.signal.reason as Error);
        return;
      }
      const queue = this.#options.isUrgent?.(item) ? this.#urgent : this.#others;
      queue.push({ item, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Waits for the commit under way; rejects what still waits. */
  async stop(): Promise<void> {
    this.#stopping.abort(new StoppingError());
    await this.#running;
  }

  async #run(): Promise<void> {
    // Lets everything that arrived in the same turn join.
    await Promise.resolve();
    while (this.waiting > 0) {
      const group = this.#next();
      if (this.signal.aborted) group.forEach(({ reject }) => reject(this.signal.reason));
      else await this.#commit(group);
    }
    this.#running = undefined;
  }

  /** @returns at least one item */
  #next(): readonly Waiting<Item, Result>[] {
    this.#groups += 1;
    const isTurnOfOthers = this.#groups % PATIENCE === 0;
    const queues = isTurnOfOthers ? [this.#others, this.#urgent] : [this.#urgent, this.#others];
    let room = this.#options.largest;
    return queues.flatMap((queue) => {
      const isFirst = room === this.#options.largest;
      const group = queue.splice(0, this.#fitting(queue, room, isFirst));
      room -= group.reduce((sum, { item }) => sum + this.#weightOf(item), 0);
      return group;
    });
  }

  /** How many of a queue's first items fit; one at least where the group is empty. */
  #fitting(queue: readonly Waiting<Item, Result>[], room: number, isFirst: boolean): number {
    let weight = 0;
    const beyond = queue.findIndex(({ item }) => (weight += this.#weightOf(item)) > room);
    if (beyond === -1) return queue.length;
    return isFirst ? Math.max(1, beyond) : beyond;
  }

  #weightOf(item: Item): number {
    return this.#options.weightOf?.(item) ?? 1;
  }

  async #commit(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const items = group.map(({ item }) => item);
      const results = await this.#options.commit(items, this.signal);
      group.forEach(({ resolve, reject }, index) => {
        const result = results[index];
        if (result === undefined) reject(new Error('a commit returned too few results'));
        else resolve(result);
      });
    } catch (error) {
      if (this.signal.aborted) group.forEach(({ reject }) => reject(error));
      else if (group.length > 1) for (const waiting of group) await this.#commit([waiting]);
      else
        for (const { item, resolve, reject } of group)
          await this.#options.isolate(item, error, this.signal).then(resolve, reject);
    }
  }
}
