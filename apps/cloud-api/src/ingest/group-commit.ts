export interface GroupCommitOptions<Item, Result> {
  /** Items that one commit takes at most. */
  readonly largest: number;
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

/**
 * Commits what arrives while a commit runs as one group with the next: under load one transaction carries many items,
 * without load an item never waits.
 *
 * Invariants: one commit runs at a time; items are committed in the order of their arrival; an item's promise settles
 * only after its own commit, or once stopped.
 */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  readonly #stopping = new AbortController();
  #queue: Waiting<Item, Result>[] = [];
  #running: Promise<void> | undefined;

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  /** Items that wait for a commit. */
  get waiting(): number {
    return this.#queue.length;
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
      this.#queue.push({ item, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Waits for the commit under way; rejects what still waits. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the service stops'));
    await this.#running;
  }

  async #run(): Promise<void> {
    // Lets everything that arrived in the same turn join.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, this.#options.largest);
      if (this.signal.aborted) group.forEach(({ reject }) => reject(this.signal.reason));
      else await this.#commit(group);
    }
    this.#running = undefined;
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
