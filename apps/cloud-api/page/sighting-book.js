/**
 * @typedef {import('@sightline/contracts').rest.Sighting} Sighting
 * @typedef {{ revision: number, outcome: string | undefined }} Known its newest revision; the outcome under which it is
 *   counted, if it is
 */

/** Sightings that are shown. */
export const SHOWN = 200;
/** Sightings that are remembered, so that none is counted twice: a revision follows the one before within minutes. */
const REMEMBERED = 20_000;

/**
 * What the page knows of sightings: the newest ones, and counts since the page was opened. Everything may be told to it
 * any number of times and in any order: the highest revision of a sighting counts, once.
 */
export class SightingBook {
  /** @type {Map<string, Sighting>} */
  #shown = new Map();
  /** @type {Map<string, Known>} */
  #known = new Map();
  /** @type {Map<string, number>} */
  #counts = new Map();
  /** When the service received the newest sighting that was there already, RFC 3339. */
  #openedAt = '';
  #newestReceivedAt = '';

  /** When the service received the newest sighting that is known, RFC 3339; undefined before there is any. */
  get newestReceivedAt() {
    return this.#newestReceivedAt || undefined;
  }

  /** Sightings since the page was opened, by the outcome of their newest revision. */
  get counts() {
    return /** @type {ReadonlyMap<string, number>} */ (this.#counts);
  }

  /**
   * Starts with what was there when the page was opened: it is shown, and not counted.
   *
   * @param {readonly Sighting[]} items the newest sightings
   */
  begin(items) {
    for (const item of items) this.#openedAt = later(this.#openedAt, item.receivedAt);
    for (const item of items) this.#take(item, false);
  }

  /** Forgets everything, counts too. */
  clear() {
    this.#shown.clear();
    this.#known.clear();
    this.#counts.clear();
    this.#openedAt = this.#newestReceivedAt = '';
  }

  /** @param {Sighting} item news from the stream */
  hear(item) {
    this.#take(item, true);
  }

  /** @param {readonly Sighting[]} items of the list, new or not */
  read(items) {
    for (const item of items) this.#take(item, item.receivedAt > this.#openedAt);
  }

  /** The newest sightings by the time of first sight, newest first: the order of the service's list. */
  newest() {
    const sorted = [...this.#shown.values()].sort(newestFirst);
    for (const { id } of sorted.splice(SHOWN)) this.#shown.delete(id);
    return sorted;
  }

  /**
   * @param {Sighting} item
   * @param {boolean} counts
   */
  #take(item, counts) {
    const known = this.#known.get(item.id);
    if (known !== undefined && known.revision > item.revision) return;
    if (known === undefined || known.revision < item.revision) {
      const counted = counts || known?.outcome !== undefined ? item.decision.outcome : undefined;
      this.#count(known?.outcome, -1);
      this.#count(counted, 1);
      this.#remember(item.id, { revision: item.revision, outcome: counted });
      this.#newestReceivedAt = later(this.#newestReceivedAt, item.receivedAt);
    }
    // The same revision again tells of a name that was changed or erased.
    if (!same(this.#shown.get(item.id), item)) this.#shown.set(item.id, item);
    if (this.#shown.size > 2 * SHOWN) this.newest();
  }

  /**
   * @param {string} id
   * @param {Known} known
   */
  #remember(id, known) {
    this.#known.delete(id);
    this.#known.set(id, known);
    if (this.#known.size <= REMEMBERED) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  /**
   * @param {string | undefined} outcome
   * @param {1 | -1} change
   */
  #count(outcome, change) {
    if (outcome !== undefined) this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + change);
  }
}

/**
 * @param {string} a RFC 3339, UTC, as the service writes it: text order is time order
 * @param {string} b
 */
function later(a, b) {
  return a > b ? a : b;
}

/**
 * @param {Sighting} a
 * @param {Sighting} b
 */
function newestFirst(a, b) {
  if (a.firstSeenAt !== b.firstSeenAt) return a.firstSeenAt < b.firstSeenAt ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}

/**
 * @param {Sighting | undefined} a
 * @param {Sighting} b
 */
function same(a, b) {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
