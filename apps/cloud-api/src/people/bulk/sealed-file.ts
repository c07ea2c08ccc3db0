import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { pipeline as piped } from 'node:stream/promises';

const BLOCK_BYTES = 16;
/** AES in counter mode (NIST SP 800-38A, 6.5), so that any part can be read by itself. What is damaged is a broken photo. */
const CIPHER = 'aes-256-ctr';

/**
 * Writes a stream into a new file that only its owner may open, and only the key reads: first counter block (16 bytes)
 * || ciphertext. On disk once it resolves.
 *
 * @param key 32 bytes
 */
export async function writeSealed(path: string, key: Uint8Array, content: Readable): Promise<void> {
  const counter = randomBytes(BLOCK_BYTES);
  const cipher = createCipheriv(CIPHER, key, counter);
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
  file.write(counter);
  await piped(content, cipher, file);
}

/** A file of {@link writeSealed}, readable from any place. */
export interface SealedFile {
  /** Of the content, bytes. */
  readonly size: number;
  /** The content from `start` (inclusive) to `end` (exclusive). */
  read(start?: number, end?: number): Readable;
}

/** @throws as `open` of node:fs, when there is no such file */
export async function openSealed(path: string, key: Uint8Array): Promise<SealedFile> {
  const file = await open(path, 'r');
  try {
    const counter = Buffer.alloc(BLOCK_BYTES);
    await file.read(counter, 0, BLOCK_BYTES, 0);
    const size = Math.max(0, (await file.stat()).size - BLOCK_BYTES);
    return { size, read: (start = 0, end = size) => readRange({ path, key, counter }, start, Math.min(end, size)) };
  } finally {
    await file.close();
  }
}

interface Sealed {
  readonly path: string;
  readonly key: Uint8Array;
  readonly counter: Buffer;
}

function readRange({ path, key, counter }: Sealed, start: number, end: number): Readable {
  if (start >= end) return Readable.from([]);
  const block = Math.floor(start / BLOCK_BYTES);
  const decipher = createDecipheriv(CIPHER, key, counterAt(counter, block));
  // Counter mode goes by blocks: what comes before the place within the first one is thrown away.
  decipher.update(Buffer.alloc(start % BLOCK_BYTES));
  const bytes = createReadStream(path, { start: BLOCK_BYTES + start, end: BLOCK_BYTES + end - 1 });
  return pipeline(bytes, decipher, () => undefined);
}

/** The counter block after so many others: a number of 128 bits, big endian, that wraps around. */
function counterAt(first: Buffer, blocks: number): Buffer {
  const sum = (BigInt(`0x${first.toString('hex')}`) + BigInt(blocks)) & ((1n << 128n) - 1n);
  return Buffer.from(sum.toString(16).padStart(2 * BLOCK_BYTES, '0'), 'hex');
}
