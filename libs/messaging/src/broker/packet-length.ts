/** Follows the frames of an MQTT byte stream (MQTT 3.1.1, section 2.2) without keeping any of its bytes. */
export class PacketLengthMeter {
  #remaining = 0;
  #length = 0;
  #lengthBytes = 0;
  #state: 'header' | 'length' | 'body' = 'header';
  /** Packets whose fixed header has been seen. */
  #packets = 0;

  /**
   * Takes the next bytes of the stream.
   *
   * @param limit largest remaining length allowed for a packet, by its number in the stream, from 0
   * @returns the announced length of the first packet over its limit, in bytes; Infinity for a length that is
   *   no valid encoding; undefined when all is well
   */
  feed(chunk: Uint8Array, limit: (packet: number) => number): number | undefined {
    let position = 0;
    while (position < chunk.byteLength) {
      if (this.#state === 'body') {
        const skipped = Math.min(this.#remaining, chunk.byteLength - position);
        position += skipped;
        this.#remaining -= skipped;
        if (this.#remaining === 0) this.#state = 'header';
        continue;
      }
      const byte = chunk[position] ?? 0;
      position += 1;
      const excess = this.#feedHeader(byte, limit);
      if (excess !== undefined) return excess;
    }
    return undefined;
  }

  #feedHeader(byte: number, limit: (packet: number) => number): number | undefined {
    if (this.#state === 'header') {
      this.#state = 'length';
      this.#length = 0;
      this.#lengthBytes = 0;
      return undefined;
    }
    // Seven bits a byte, least significant first, at most four bytes (section 2.2.3).
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes;
    this.#lengthBytes += 1;
    if ((byte & 0x80) !== 0) return this.#lengthBytes === 4 ? Infinity : undefined;
    if (this.#length > limit(this.#packets)) return this.#length;
    this.#packets += 1;
    this.#remaining = this.#length;
    this.#state = this.#remaining === 0 ? 'header' : 'body';
    return undefined;
  }
}
