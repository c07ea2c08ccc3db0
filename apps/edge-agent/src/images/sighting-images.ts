import { createHash } from 'node:crypto';

import { errorMessage, type DeviceId, type Logger, type SightingId, type TenantId } from '@sightline/kernel';
import { sealImage } from '@sightline/template-protection';

import type { Shot } from '../pipeline/best-shots.js';
import type { ImagePolicy } from './image-policy.js';
import type { ImageSpool, SpooledImage } from './image-spool.js';
import { faceJpeg } from './face-jpeg.js';

export interface SightingImagesOptions {
  readonly spool: ImageSpool;
  readonly address: { readonly tenantId: TenantId; readonly deviceId: DeviceId };
  /** Undefined while the box is to keep no images. */
  readonly policy: () => ImagePolicy | undefined;
  readonly outbox: { readonly nextSequence: number; readonly acknowledgedThrough: number };
  readonly random: () => number;
  readonly log: Logger;
}

export interface SightingImageCounts {
  readonly sealed: number;
  /** Of which sealing or keeping failed. */
  readonly failed: number;
}

/**
 * Makes sealed images of sightings, and knows which of them may be uploaded: those whose sighting the cloud has
 * acknowledged.
 *
 * Invariant: an image in the clear is in memory alone, and no longer than it takes to seal it.
 */
export class SightingImages {
  readonly #options: SightingImagesOptions;
  /** Sequence up to which the cloud must have acknowledged, by digest. */
  readonly #waitFor = new Map<string, number>();
  /** What an earlier run has left: its records all lie before this sequence. */
  readonly #earlierThrough: number;
  readonly #earlier: ReadonlySet<string>;
  #counts: SightingImageCounts = { sealed: 0, failed: 0 };

  constructor(options: SightingImagesOptions) {
    this.#options = options;
    this.#earlierThrough = options.outbox.nextSequence - 1;
    this.#earlier = new Set(options.spool.images.map(({ digest }) => digest));
  }

  get counts(): SightingImageCounts {
    return this.#counts;
  }

  /**
   * Seals a sighting's best shot, where the box is to. Never rejects: a sighting without its image is still one.
   *
   * @returns the SHA-256 of the sealed image, for the record that is about to be stored
   */
  async take(
    { aligned, quality }: Pick<Shot, 'aligned' | 'quality'>,
    sightingId: SightingId,
  ): Promise<Uint8Array | undefined> {
    const { spool, address, policy, random, log } = this.#options;
    const wanted = policy();
    if (wanted === undefined || quality < wanted.minimumQuality || random() >= wanted.sampleRate) return undefined;
    try {
      const image = await faceJpeg(aligned);
      if (image === undefined) return undefined;
      const sealed = sealImage(image, wanted.publicKey, { ...address, sightingId });
      const digest = createHash('sha256').update(sealed).digest();
      await spool.put(digest.toString('hex'), sealed);
      this.#counts = { ...this.#counts, sealed: this.#counts.sealed + 1 };
      return new Uint8Array(digest);
    } catch (error) {
      this.#counts = { ...this.#counts, failed: this.#counts.failed + 1 };
      log.warn({ sightingId, error: errorMessage(error) }, 'an image of a sighting was not kept');
      return undefined;
    }
  }

  /** The record that refers to an image is stored. */
  recorded(digest: Uint8Array): void {
    this.#waitFor.set(Buffer.from(digest).toString('hex'), this.#options.outbox.nextSequence - 1);
  }

  /** The record that was to refer to an image is not stored. */
  async unrecorded(digest: Uint8Array): Promise<void> {
    await this.#options.spool.remove(Buffer.from(digest).toString('hex'));
  }

  /** The oldest image whose sighting the cloud has. */
  next(): SpooledImage | undefined {
    const { spool, outbox } = this.#options;
    return spool.images.find(({ digest }) => outbox.acknowledgedThrough >= this.#sequenceOf(digest));
  }

  /** An image is not to be uploaded any more: the cloud has it, or does not want it. */
  async done(digest: string): Promise<void> {
    this.#waitFor.delete(digest);
    await this.#options.spool.remove(digest);
  }

  /** Forgets all images. */
  async clear(): Promise<void> {
    this.#waitFor.clear();
    await this.#options.spool.clear();
  }

  #sequenceOf(digest: string): number {
    return this.#waitFor.get(digest) ?? (this.#earlier.has(digest) ? this.#earlierThrough : Infinity);
  }
}
