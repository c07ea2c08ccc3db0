import { eventData } from './event-stream.js';

/**
 * @typedef {import('@sightline/contracts').rest.DevicePage} DevicePage
 * @typedef {import('@sightline/contracts').rest.Sighting} Sighting
 * @typedef {import('@sightline/contracts').rest.SightingPage} SightingPage
 */

/** How long an answer may take, ms. */
const ANSWER_MS = 20_000;
/** How long a stream may be silent, ms: more than two heartbeats of the service. */
const SILENCE_MS = 40_000;

/** The service does not accept the API key. */
export class KeyRefused extends Error {}

/** The service answered, but not with what was asked for. */
export class ServiceFailure extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`the service answered ${status}`);
  }
}

/** Requests to the service that served this page, with an API key in the header and nowhere else. */
export class Api {
  #key;
  #clockAheadMs = 0;

  /** @param {string} key */
  constructor(key) {
    this.#key = key;
  }

  /** The service's time, ms since the Unix epoch: the clock of who looks may be wrong. */
  nowMs() {
    return Date.now() + this.#clockAheadMs;
  }

  /**
   * @param {Readonly<Record<string, string | number>>} query
   * @param {AbortSignal} signal
   * @returns {Promise<SightingPage>}
   * @throws {KeyRefused | ServiceFailure | TypeError}
   */
  async sightings(query, signal) {
    return /** @type {SightingPage} */ (await this.#json(`v1/sightings?${search(query)}`, signal));
  }

  /**
   * @param {number} limit
   * @param {AbortSignal} signal
   * @returns {Promise<DevicePage>}
   * @throws {KeyRefused | ServiceFailure | TypeError}
   */
  async devices(limit, signal) {
    return /** @type {DevicePage} */ (await this.#json(`v1/devices?${search({ limit })}`, signal));
  }

  /**
   * What error codes mean.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<Readonly<Record<string, string>>>} titles by code
   * @throws {ServiceFailure | TypeError}
   */
  async errorTitles(signal) {
    return /** @type {Readonly<Record<string, string>>} */ (await this.#json('live/error-titles.json', signal));
  }

  /**
   * Opens the stream of sightings; resolves once the service has begun to send.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<AsyncGenerator<Sighting, void>>} throws when the stream breaks or falls silent
   * @throws {KeyRefused | ServiceFailure | TypeError}
   */
  async liveSightings(signal) {
    const silent = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(new Error('the service fell silent')), SILENCE_MS);
    };
    heard();
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    const response = await this.#fetch('v1/sightings/live', AbortSignal.any([signal, silent.signal]));
    if (response.body === null) throw new ServiceFailure(response.status);
    return sightingsOf(eventData(response.body, heard));
  }

  /**
   * @param {string} path relative to the page
   * @param {AbortSignal} signal
   * @returns {Promise<unknown>} the answer of our own service, which keeps its contract
   */
  async #json(path, signal) {
    const response = await this.#fetch(path, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]));
    this.#learnTime(response);
    return response.json();
  }

  /**
   * @param {string} path
   * @param {AbortSignal} signal
   */
  async #fetch(path, signal) {
    const headers = { authorization: `Bearer ${this.#key}` };
    const response = await fetch(path, { headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' });
    if (response.ok) return response;
    await response.body?.cancel();
    if (response.status === 401 || response.status === 403) throw new KeyRefused('the key was refused');
    throw new ServiceFailure(response.status);
  }

  /** @param {Response} response */
  #learnTime(response) {
    const ahead = Date.parse(response.headers.get('date') ?? '') - Date.now();
    // The header tells whole seconds, and travels: less than this is no error of a clock.
    if (Number.isFinite(ahead)) this.#clockAheadMs = Math.abs(ahead) > 3000 ? ahead : 0;
  }
}

/** @param {Readonly<Record<string, string | number>>} query */
function search(query) {
  return new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)])).toString();
}

/** @param {AsyncGenerator<string, void>} events */
async function* sightingsOf(events) {
  for await (const data of events) yield /** @type {Sighting} */ (JSON.parse(data));
}
