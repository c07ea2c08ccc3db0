/**
 * Server-sent events (WHATWG HTML, 9.2.6) from text that comes in pieces. EventSource cannot send an API key.
 */

/**
 * The data of each event, as they become complete. Comments, ids and types are left out: the page needs none of them.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} [onBytes] is told of anything that comes, heartbeats included
 * @returns {AsyncGenerator<string, void>}
 */
export async function* eventData(body, onBytes) {
  const reader = body
    .pipeThrough(/** @type {ReadableWritablePair<string, Uint8Array>} */ (new TextDecoderStream()))
    .getReader();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes?.();
      yield* parser.push(value);
    }
  } finally {
    // Whoever stops listening closes the connection.
    await reader.cancel().catch(() => undefined);
  }
}

/** Turns pieces of an event stream into the data of its events. */
export class EventParser {
  #rest = '';
  /** @type {string[]} */
  #data = [];

  /**
   * @param {string} text the next piece; it may end anywhere, between CR and LF too
   * @returns {Generator<string, void>}
   */
  *push(text) {
    this.#rest += text;
    for (;;) {
      const line = this.#takeLine();
      if (line === undefined) return;
      if (line === '') {
        if (this.#data.length > 0) yield this.#data.join('\n');
        this.#data = [];
      } else if (line.startsWith('data:')) {
        this.#data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
      }
    }
  }

  #takeLine() {
    const end = this.#rest.search(/[\r\n]/);
    if (end < 0) return undefined;
    const isReturn = this.#rest[end] === '\r';
    // A CR at the end of a piece may be the first half of a CRLF.
    if (isReturn && end === this.#rest.length - 1) return undefined;
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + (isReturn && this.#rest[end + 1] === '\n' ? 2 : 1));
    return line;
  }
}
