import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { writeFileDurably } from '@sightline/host';
import { isSha256, type Clock } from '@sightline/kernel';

/** An image that waits to be uploaded. */
export interface SpooledImage {
  /** SHA-256 of the sealed image, hexadecimal. */
  readonly digest: string;
  readonly bytes: number;
  /** When it was sealed, ms since the Unix epoch by the box's own clock. */
  readonly sealedAtMs: number;
}

interface SpoolLimits {
  readonly bytes: number;
  readonly ageMs: number;
}

/** Some two thousand crops, or three days: whichever is less. */
const spoolLimits: SpoolLimits = { bytes: 16 * 1024 * 1024, ageMs: 72 * 3_600_000 };

/**
 * Sealed images in a folder, oldest first, until the cloud has them. What is in it is sealed: the box itself cannot open
 * it. Bounded in size and age, of which the oldest go first.
 */
export class ImageSpool {
  readonly #directory: string;
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #limits: SpoolLimits;
  #images: readonly SpooledImage[];
  #dropped = 0;

  constructor(directory: string, clock: Pick<Clock, 'wallMs'>, limits: SpoolLimits = spoolLimits) {
    this.#directory = directory;
    this.#clock = clock;
    this.#limits = limits;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#images = this.#read();
  }

  /** Oldest first. */
  get images(): readonly SpooledImage[] {
    return this.#images;
  }

  get bytes(): number {
    return this.#images.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Images that went for want of room, or were too old, since it was opened. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Keeps an image: it is on the disk once this resolves. Rejects when the disk takes nothing. */
  async put(digest: string, sealed: Uint8Array): Promise<void> {
    const image = { digest, bytes: sealed.length, sealedAtMs: Math.floor(this.#clock.wallMs()) };
    await this.#makeRoom(sealed.length);
    await writeFileDurably(this.#pathOf(image), sealed, 0o600);
    this.#images = [...this.#images, image];
  }

  /** Undefined when the file is gone. */
  async read(image: SpooledImage): Promise<Uint8Array | undefined> {
    return readFile(this.#pathOf(image)).catch(() => undefined);
  }

  async remove(digest: string): Promise<void> {
    const gone = this.#images.filter((image) => image.digest === digest);
    this.#images = this.#images.filter((image) => image.digest !== digest);
    for (const image of gone) await rm(this.#pathOf(image), { force: true });
  }

  async clear(): Promise<void> {
    for (const { digest } of this.#images) await this.remove(digest);
  }

  /** Drops what is too old. */
  async expire(): Promise<void> {
    await this.#makeRoom(0);
  }

  async #makeRoom(bytes: number): Promise<void> {
    const oldestMs = this.#clock.wallMs() - this.#limits.ageMs;
    for (const image of this.#images) {
      if (image.sealedAtMs >= oldestMs && this.bytes + bytes <= this.#limits.bytes) return;
      await this.remove(image.digest);
      this.#dropped += 1;
    }
  }

  /** What an earlier run has left. What was being written when it ended goes. */
  #read(): readonly SpooledImage[] {
    const images: SpooledImage[] = [];
    for (const name of readdirSync(this.#directory)) {
      const [, at = '', digest = ''] = /^(\d{1,15})-([0-9a-f]+)$/.exec(name) ?? [];
      const path = join(this.#directory, name);
      if (isSha256(digest)) images.push({ digest, bytes: statSync(path).size, sealedAtMs: Number(at) });
      else rmSync(path, { recursive: true, force: true });
    }
    return images.sort((one, other) => one.sealedAtMs - other.sealedAtMs);
  }

  #pathOf({ sealedAtMs, digest }: SpooledImage): string {
    return join(this.#directory, `${sealedAtMs}-${digest}`);
  }
}
