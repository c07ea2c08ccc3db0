import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { createOnce, takeLock } from '@sightline/host';
import { AppError, ExclusiveRunner, isAppError } from '@sightline/kernel';
import { z } from 'zod';

import { decodeSlot, encodeSlot, SLOT_BYTES } from './key-slot.js';
import type { KeyStoreHeader, NamedKey, NewHeader, PersonKeyStore, StoredKey } from './person-key-store.js';

const base64Schema = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const headerSchema = z.object({ id: z.uuid(), salt: base64Schema, check: base64Schema });

/** A file of slots. One process at a time appends to it; all read it, and destroy in it. */
interface Segment {
  readonly name: string;
  readonly file: FileHandle;
  /** Slots before this one are known. */
  known: number;
}

interface Place {
  readonly segment: Segment;
  readonly slot: number;
  readonly wrapped: Uint8Array | undefined;
}

const SEGMENT = /^segment-[0-9a-f-]{36}\.keys$/;

/**
 * Keys in a folder of one machine. A slot is written once and, when its key is destroyed, overwritten where it lies;
 * it is never used again, so that no process can overwrite what another has just put there. Each process appends to a
 * segment of its own, which it takes over from a dead one where it can.
 *
 * @param directory on a local disk that overwrites in place (ext4, XFS; not Btrfs or ZFS), in no backup of the database
 * @throws AppError `KEY_STORE.UNAVAILABLE`
 */
export async function openDirectoryKeyStore(directory: string, newHeader: NewHeader): Promise<PersonKeyStore> {
  return guarded(async () => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, 'store.json');
    const { id, salt, check } = newHeader();
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    await createOnce(path, `${JSON.stringify({ id, salt: base64(salt), check: base64(check) })}\n`);
    const header = headerSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    const store = new DirectoryKeyStore(directory, header);
    await store.load();
    return store;
  });
}

class DirectoryKeyStore implements PersonKeyStore {
  readonly kind = 'directory';
  readonly #segments = new Map<string, Segment>();
  readonly #places = new Map<string, Place>();
  /** One at a time: appends, readings of what others wrote, destructions. */
  readonly #runner = new ExclusiveRunner();
  #own: { readonly segment: Segment; readonly release: () => Promise<void>; next: number } | undefined;

  constructor(
    private readonly directory: string,
    readonly header: KeyStoreHeader,
  ) {}

  load(): Promise<void> {
    return this.#run(() => this.#refresh());
  }

  add(keys: readonly NamedKey[]): Promise<void> {
    return this.#run(async () => {
      if (keys.length === 0) return;
      const own = (this.#own ??= await this.#takeSegment());
      const bytes = Buffer.concat(keys.map(({ name, wrapped }) => encodeSlot({ state: 'key', name, wrapped })));
      await own.segment.file.write(bytes, 0, bytes.length, own.next * SLOT_BYTES);
      await own.segment.file.datasync();
      for (const { name, wrapped } of keys) {
        this.#places.set(name, { segment: own.segment, slot: own.next, wrapped });
        own.next += 1;
      }
      own.segment.known = own.next;
    });
  }

  async get(names: readonly string[]): Promise<ReadonlyMap<string, StoredKey>> {
    if (names.some((name) => !this.#places.has(name))) await this.#run(() => this.#refresh());
    const found = new Map<string, StoredKey>();
    for (const name of names) {
      const place = this.#places.get(name);
      if (place !== undefined) found.set(name, place.wrapped ?? 'destroyed');
    }
    return found;
  }

  destroy(names: readonly string[]): Promise<void> {
    return this.#run(async () => {
      if (names.some((name) => !this.#places.has(name))) await this.#refresh();
      const touched = new Set<Segment>();
      for (const name of names) {
        const place = this.#places.get(name) ?? (await this.#nextPlace());
        const { segment, slot } = place;
        await segment.file.write(encodeSlot({ state: 'destroyed', name }), 0, SLOT_BYTES, slot * SLOT_BYTES);
        touched.add(segment);
        this.#places.set(name, { segment, slot, wrapped: undefined });
      }
      for (const { file } of touched) await file.datasync();
    });
  }

  forget(names: readonly string[] | 'all'): void {
    if (names === 'all') this.#places.clear();
    else for (const name of names) this.#places.delete(name);
    // The next that is not known lets all be read again: some 13 MB of 100,000 keys.
    for (const segment of this.#segments.values()) segment.known = 0;
  }

  close(): Promise<void> {
    return this.#run(async () => {
      await this.#own?.release();
      this.#own = undefined;
      for (const { file } of this.#segments.values()) await file.close();
      this.#segments.clear();
    });
  }

  #run<T>(task: () => Promise<T>): Promise<T> {
    return this.#runner.run(() => guarded(task));
  }

  async #nextPlace(): Promise<Omit<Place, 'wrapped'>> {
    const own = (this.#own ??= await this.#takeSegment());
    const slot = own.next;
    own.next += 1;
    own.segment.known = own.next;
    return { segment: own.segment, slot };
  }

  /** Reads what other processes have appended. A slot that is not whole yet is read again the next time. */
  async #refresh(): Promise<void> {
    for (const name of (await readdir(this.directory)).filter((entry) => SEGMENT.test(entry)).sort()) {
      const segment = this.#segments.get(name) ?? (await this.#openSegment(name, 'r+'));
      const slots = await readSlots(segment.file, segment.known);
      const whole = slots.findIndex(({ state }) => state === 'broken');
      slots.forEach((slot, index) => this.#learn(segment, segment.known + index, slot));
      segment.known += whole === -1 ? slots.length : whole;
    }
  }

  #learn(segment: Segment, slot: number, content: ReturnType<typeof decodeSlot>): void {
    if (content.state !== 'key' && content.state !== 'destroyed') return;
    // A name has one slot, unless it was destroyed where no key was known: then destroyed it stays.
    const known = this.#places.get(content.name);
    if (known !== undefined && known.wrapped === undefined) return;
    const wrapped = content.state === 'key' ? content.wrapped : undefined;
    this.#places.set(content.name, { segment, slot, wrapped });
  }

  async #openSegment(name: string, flags: 'r+' | 'wx+'): Promise<Segment> {
    const segment = { name, file: await open(join(this.directory, name), flags, 0o600), known: 0 };
    this.#segments.set(name, segment);
    return segment;
  }

  /** A segment that no live process appends to, or a new one. */
  async #takeSegment() {
    await this.#refresh();
    for (const segment of this.#segments.values()) {
      const release = await takeLock(this.#lockOf(segment.name), inUse).catch((error: unknown) => {
        if (isAppError(error, 'KEY_STORE.IN_USE')) return undefined;
        throw error;
      });
      if (release !== undefined) return { segment, release, next: await this.#mend(segment) };
    }
    const name = `segment-${randomUUID()}.keys`;
    const release = await takeLock(this.#lockOf(name), inUse);
    const segment = await this.#openSegment(name, 'wx+');
    await syncFolder(this.directory);
    return { segment, release, next: 0 };
  }

  /** Marks what a crash tore, so that it is not looked at again. @returns the first free slot */
  async #mend(segment: Segment): Promise<number> {
    const { size } = await segment.file.stat();
    const slots = await readSlots(segment.file, segment.known);
    for (const [index, slot] of slots.entries()) {
      const at = (segment.known + index) * SLOT_BYTES;
      if (slot.state === 'broken') await segment.file.write(encodeSlot({ state: 'void' }), 0, SLOT_BYTES, at);
      else this.#learn(segment, segment.known + index, slot);
    }
    segment.known = Math.ceil(size / SLOT_BYTES);
    return segment.known;
  }

  #lockOf(name: string): string {
    return join(this.directory, `${name}.lock`);
  }
}

const inUse = (pid: number): AppError =>
  new AppError('KEY_STORE.IN_USE', 'Another process appends to this segment.', { details: { pid } });

async function readSlots(file: FileHandle, from: number) {
  const { size } = await file.stat();
  // Also one that was only begun: it is broken.
  const slots = Math.ceil(size / SLOT_BYTES) - from;
  if (slots <= 0) return [];
  const bytes = Buffer.alloc(slots * SLOT_BYTES);
  await file.read(bytes, 0, bytes.length, from * SLOT_BYTES);
  return Array.from({ length: slots }, (_, index) =>
    decodeSlot(bytes.subarray(index * SLOT_BYTES, (index + 1) * SLOT_BYTES)),
  );
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

/** @throws AppError `KEY_STORE.UNAVAILABLE` for whatever the file system says */
async function guarded<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (isAppError(error)) throw error;
    throw new AppError('KEY_STORE.UNAVAILABLE', 'The store of personal keys cannot be read or written.', {
      retryable: true,
      cause: error,
    });
  }
}
