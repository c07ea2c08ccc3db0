import { Counts } from './counts.js';
import { DevicesTable } from './devices-table.js';
import { byId, setText } from './dom.js';
import { clockTime, fullTime, integer, timeZone } from './format.js';
import { SightingsTable } from './sightings-table.js';

/**
 * @typedef {import('./api.js').Api} Api
 * @typedef {import('./feed.js').FeedState} FeedState
 * @typedef {import('./sighting-book.js').SightingBook} SightingBook
 */

/** Nobody reads faster, and a crowd costs no more than this. */
const BETWEEN_DRAWS_MS = 400;
const LOADING = 'Loading …';
const NO_DEVICES = 'No devices yet. A camera box appears here once it is registered.';
const NO_SIGHTINGS = 'No sightings yet. They appear here within a second of somebody passing a camera.';

/** Everything that is shown once there is a key. It is drawn a few times a second at most, however much comes. */
export class LiveView {
  #api;
  #book;
  #sightings;
  #devices;
  #counts = new Counts(byId('counts', HTMLElement));
  #begun = false;
  #drawing = false;
  #drawnAt = -Infinity;
  #paused = false;
  #ended = false;
  /** When the devices were asked about last, by the service's clock. */
  #devicesAtMs = 0;

  /**
   * @param {Api} api
   * @param {SightingBook} book
   * @param {Readonly<Record<string, string>>} errorTitles by error code
   */
  constructor(api, book, errorTitles) {
    this.#api = api;
    this.#book = book;
    const titleOf = (/** @type {string} */ code) => (Object.hasOwn(errorTitles, code) ? errorTitles[code] : undefined);
    this.#sightings = new SightingsTable(bodyOf('sightings'), titleOf);
    this.#devices = new DevicesTable(bodyOf('devices'), titleOf);
    setText(byId('zone', HTMLElement), timeZone());
  }

  /**
   * Begins to follow the clock and the pause button.
   *
   * @param {AbortSignal} signal
   */
  start(signal) {
    const tick = setInterval(() => this.#tick(), 1000);
    signal.addEventListener('abort', () => clearInterval(tick), { once: true });
    byId('pause', HTMLButtonElement).addEventListener('click', () => this.#togglePause(), { signal });
  }

  /** Takes everything off the page that the key has opened. */
  clear() {
    this.#ended = true;
    for (const table of ['sightings', 'devices']) {
      bodyOf(table).replaceChildren();
      setVisible(table, false);
      setText(byId(`${table}-empty`, HTMLElement), LOADING);
      setText(byId(`${table}-note`, HTMLElement), '');
    }
    this.#counts.clear();
  }

  /** @param {number} ms since when sightings are counted */
  countFrom(ms) {
    const from = byId('count-from', HTMLTimeElement);
    from.dateTime = new Date(ms).toISOString();
    from.title = fullTime(ms);
    setText(from, clockTime(ms, ms));
    this.#begun = true;
  }

  /** Draws what the book holds, soon: with the next frame when nothing was drawn lately. */
  changed() {
    if (this.#drawing) return;
    this.#drawing = true;
    const draw = () => {
      this.#drawing = false;
      this.#drawnAt = performance.now();
      if (!this.#ended) this.#draw();
    };
    setTimeout(() => requestAnimationFrame(draw), this.#drawnAt + BETWEEN_DRAWS_MS - performance.now());
  }

  /** @param {import('./devices-poll.js').DevicePage} page */
  showDevices({ items, nextCursor }) {
    this.#devicesAtMs = this.#api.nowMs();
    this.#devices.show(items, this.#devicesAtMs);
    setVisible('devices', items.length > 0);
    setText(byId('devices-empty', HTMLElement), items.length > 0 ? '' : NO_DEVICES);
    const online = items.filter((device) => device.online).length;
    const shown = nextCursor === null ? `${items.length}` : `the newest ${items.length}`;
    setText(byId('devices-note', HTMLElement), items.length === 0 ? '' : `${online} of ${shown} online`);
  }

  devicesFailed() {
    const now = this.#api.nowMs();
    const text = this.#devicesAtMs === 0 ? 'They cannot be read.' : `As of ${clockTime(this.#devicesAtMs, now)}`;
    setText(byId('devices-note', HTMLElement), text);
  }

  #draw() {
    const newest = this.#book.newest();
    this.#counts.show(this.#book.counts, newest);
    if (this.#paused) {
      this.#notePause(newest);
      return;
    }
    this.#sightings.show(newest, this.#api.nowMs());
    setVisible('sightings', newest.length > 0);
    setText(byId('sightings-empty', HTMLElement), newest.length > 0 || !this.#begun ? '' : NO_SIGHTINGS);
    const rate = newest[0]?.decision.falseMatchRate ?? 0;
    const meaning = `The threshold stands for one false match in ${integer(1 / rate)} comparisons.`;
    setText(byId('threshold-note', HTMLElement), rate > 0 ? meaning : '');
  }

  #tick() {
    const now = this.#api.nowMs();
    this.#devices.tick(now);
    this.#sightings.tick(now);
  }

  #togglePause() {
    this.#paused = !this.#paused;
    const button = byId('pause', HTMLButtonElement);
    button.setAttribute('aria-pressed', String(this.#paused));
    setText(button, this.#paused ? 'Go on' : 'Pause');
    setText(byId('sightings-note', HTMLElement), '');
    this.changed();
  }

  /** @param {readonly import('./sightings-table.js').Sighting[]} newest */
  #notePause(newest) {
    const missing = newest.filter(({ id }) => !this.#sightings.has(id)).length;
    setText(byId('sightings-note', HTMLElement), missing === 0 ? 'Paused' : `Paused, ${missing} not shown yet`);
  }
}

/**
 * The words for a state of the connection.
 *
 * @param {FeedState} state
 * @param {number} nowMs
 */
export function stateText(state, nowMs) {
  switch (state.kind) {
    case 'connecting':
      return 'Connecting …';
    case 'live':
      return 'Live';
    case 'lost':
      return `Connection lost since ${clockTime(state.sinceMs, nowMs)}; trying again`;
    case 'refused':
      return '';
  }
}

/** @param {string} table */
function bodyOf(table) {
  const [body] = byId(table, HTMLTableElement).tBodies;
  if (body === undefined) throw new Error(`${table} has no body`);
  return body;
}

/**
 * @param {string} id
 * @param {boolean} visible
 */
function setVisible(id, visible) {
  byId(id, HTMLElement).hidden = !visible;
}
