import type { Readable } from 'node:stream';

import { AppError } from '@sightline/kernel';

/** Longest line, bytes: a person with two hundred templates of 4096 components. */
const LINE_BYTES = 4 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * Splits a stream into lines, decoded from UTF-8; empty ones are left out.
 *
 * @returns lines with their numbers, from 1
 * @throws AppError `IMPORT.INVALID` for a line that is too long, or bytes that are no text
 */
export async function* linesOf(content: Readable): AsyncGenerator<readonly [number: number, line: string]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes: Buffer): string => {
    try {
      return decoder.decode(bytes).trim();
    } catch (error) {
      throw new AppError('IMPORT.INVALID', 'The file is no text in UTF-8.', { cause: error });
    }
  };
  let [number, pending]: [number, Buffer] = [0, Buffer.alloc(0)];
  for await (const chunk of content as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      number += 1;
      const line = decode(Buffer.concat([pending, chunk.subarray(start, end)]));
      if (line !== '') yield [number, line];
      pending = Buffer.alloc(0);
      start = end + 1;
    }
    pending = Buffer.concat([pending, chunk.subarray(start)]);
    if (pending.length > LINE_BYTES) throw new AppError('IMPORT.INVALID', 'A line is longer than 4 MiB.');
  }
  const last = decode(pending);
  if (last !== '') yield [number + 1, last];
}
