import { KeyRefused } from './api.js';
import { pause } from './pause.js';
import { SHOWN } from './sighting-book.js';

/**
 * @typedef {import('./api.js').Api} Api
 * @typedef {import('./sighting-book.js').Sighting} Sighting
 * @typedef {import('./sighting-book.js').SightingBook} SightingBook
 * @typedef {{ kind: 'connecting' } | { kind: 'live' } | { kind: 'lost', sinceMs: number } | { kind: 'refused' }} FeedState
 * @typedef {object} FeedEvents
 * @property {(state: FeedState) => void} onState
 * @property {() => void} onChange the book has changed
 * @property {(sinceMs: number) => void} onCountFrom counts begin here, by the service's clock
 */

/** The service dates a sighting when it comes and shows it once it is committed: so much later at most, ms. */
const COMMITTED_WITHIN_MS = 60_000;
const PAGE_SIZE = 500;
/** Pages that are read to catch up. Whoever was away for longer counts anew. */
const CATCH_UP_PAGES = 20;
/** How often the sightings that are shown are read again: a person may be renamed or erased meanwhile, ms. */
const REREAD_MS = 60_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

/**
 * Keeps a book of sightings up to date until the signal is aborted or the key is refused. On each connection the stream
 * is opened first and the list read then, so that whatever is committed is in one of them.
 *
 * @param {Api} api
 * @param {SightingBook} book
 * @param {FeedEvents} events
 * @param {AbortSignal} signal
 */
export async function follow(api, book, events, signal) {
  const feed = new Feed(api, book, events);
  let attempt = 0;
  /** @type {number | undefined} */
  let lostMs;
  const onCaughtUp = () => {
    attempt = 0;
    lostMs = undefined;
    events.onState({ kind: 'live' });
  };
  events.onState({ kind: 'connecting' });
  const isEnded = () => signal.aborted;
  while (!isEnded()) {
    try {
      await feed.connect(signal, onCaughtUp);
    } catch (error) {
      if (isEnded()) return;
      if (error instanceof KeyRefused) {
        events.onState({ kind: 'refused' });
        return;
      }
      lostMs ??= api.nowMs();
      events.onState({ kind: 'lost', sinceMs: lostMs });
      // Half of it by chance: a service that comes back is not met by every page at once.
      await pause(Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS) * (0.5 + Math.random() / 2), signal);
      attempt += 1;
    }
  }
}

class Feed {
  #api;
  #book;
  #events;
  #begun = false;

  /**
   * @param {Api} api
   * @param {SightingBook} book
   * @param {FeedEvents} events
   */
  constructor(api, book, events) {
    this.#api = api;
    this.#book = book;
    this.#events = events;
  }

  /**
   * One connection, from its beginning to its end.
   *
   * @param {AbortSignal} signal
   * @param {() => void} onCaughtUp
   * @returns {Promise<never>}
   */
  async connect(signal, onCaughtUp) {
    const ended = new AbortController();
    const whole = AbortSignal.any([signal, ended.signal]);
    try {
      const stream = await this.#api.liveSightings(whole);
      await Promise.all([this.#listen(stream), this.#keepUp(whole, onCaughtUp)]);
      throw new Error('the stream ended');
    } finally {
      ended.abort(new Error('the connection ended'));
    }
  }

  /**
   * @param {AsyncGenerator<Sighting, void>} stream
   * @returns {Promise<never>}
   */
  async #listen(stream) {
    for await (const sighting of stream) {
      this.#book.hear(sighting);
      this.#events.onChange();
    }
    throw new Error('the stream ended');
  }

  /**
   * @param {AbortSignal} signal
   * @param {() => void} onCaughtUp
   * @returns {Promise<never>}
   */
  async #keepUp(signal, onCaughtUp) {
    if (!this.#begun || !(await this.#catchUp(signal))) await this.#begin(signal);
    else await this.#reread(signal);
    onCaughtUp();
    for (;;) {
      await pause(REREAD_MS, signal);
      signal.throwIfAborted();
      await this.#reread(signal);
    }
  }

  /** @param {AbortSignal} signal */
  async #reread(signal) {
    this.#book.read(await this.#newest(signal));
    this.#events.onChange();
  }

  /** @param {AbortSignal} signal */
  async #begin(signal) {
    if (this.#begun) this.#book.clear();
    this.#book.begin(await this.#newest(signal));
    this.#begun = true;
    this.#events.onCountFrom(this.#api.nowMs());
    this.#events.onChange();
  }

  /**
   * Reads what was received since.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether that is all; there may be too much of it
   */
  async #catchUp(signal) {
    const { newestReceivedAt } = this.#book;
    const receivedFrom = newestReceivedAt && new Date(Date.parse(newestReceivedAt) - COMMITTED_WITHIN_MS).toISOString();
    const query = { limit: PAGE_SIZE, ...(receivedFrom && { receivedFrom }) };
    /** @type {string | null} */
    let cursor = null;
    for (let page = 0; page < CATCH_UP_PAGES; page += 1) {
      /** @type {import('./api.js').SightingPage} */
      const { items, nextCursor } = await this.#api.sightings({ ...query, ...(cursor && { cursor }) }, signal);
      this.#book.read(items);
      this.#events.onChange();
      if (nextCursor === null) return true;
      cursor = nextCursor;
    }
    return false;
  }

  /** @param {AbortSignal} signal */
  async #newest(signal) {
    return (await this.#api.sightings({ limit: SHOWN }, signal)).items;
  }
}
