import { AppError, type TemplateId } from '@sightline/kernel';
import { assertDimension, validateTemplate, type Template } from '@sightline/template-protection';

import type { GalleryEntry, PartitionSize, PersonAttributes } from '../gallery.js';
import type { GalleryChange, PartitionUpsert } from './flat-gallery-calls.js';
import { codeBytesFor, largestCodeBytes } from './memory.js';
import { shareOf } from './shares.js';
import { bytesOf, type PartitionName, type StoredTemplate } from './stored-template.js';

interface PartitionState {
  readonly name: PartitionName;
  templates: number;
}

interface LedgerRow {
  readonly partition: PartitionState;
  readonly template: StoredTemplate;
}

/** A change that the ledger has taken in, and the bytes of the templates that it displaced. */
export interface RecordedChange {
  readonly change: GalleryChange;
  readonly displaced: readonly Uint8Array[];
}

/**
 * What the gallery holds: from it entries are judged, and a worker that died gets a successor with the same
 * content. Stored forms lie in shared memory, so that ledger and worker hold them once.
 */
export class Ledger {
  readonly #rows = new Map<TemplateId, LedgerRow>();
  /** By space, then key; only those that hold something. */
  readonly #partitions = new Map<string, PartitionState>();
  readonly #largestCodeBytes: number;

  /** @param limit of the codes of all partitions, bytes */
  constructor(limit = largestCodeBytes) {
    this.#largestCodeBytes = limit;
  }

  /** The partition that a template belongs to, if it holds anything. Checks the template against it. */
  partitionFor(template: Template): PartitionName | undefined {
    const name = this.#partitions.get(belonging(template))?.name;
    validateTemplate(template, name ? { dimension: name.dimension } : {});
    return name;
  }

  /** All or nothing. @throws AppError `TEMPLATE.INVALID`, `TEMPLATE.WRONG_DIMENSION`, `GALLERY.FULL` */
  upsert(entries: readonly GalleryEntry[]): RecordedChange {
    this.#validate(entries);
    const latest = [...new Map(entries.map((entry) => [entry.templateId, entry])).values()];
    this.#assertRoom(latest);
    const displaced: Uint8Array[] = [];
    const shared = new Map<string, PersonAttributes>();
    const upserts = new Map<PartitionState, StoredTemplate[]>();
    for (const { entry, ...place } of withSharedMemory(latest)) {
      const before = this.#remove(entry.templateId);
      if (before) displaced.push(bytesOf(before.template, before.partition.name.dimension));
      const { templateId, personId, template } = entry;
      const attributes = sharedOf(entry.attributes, shared);
      const stored = { templateId, personId, attributes, codec: template.codec, scale: template.scale, ...place };
      const partition = this.#partition(template);
      partition.templates += 1;
      this.#rows.set(templateId, { partition, template: stored });
      const group = upserts.get(partition);
      if (group) group.push(stored);
      else upserts.set(partition, [stored]);
    }
    const change = { removals: [], upserts: grouped(upserts) };
    return { change, displaced };
  }

  remove(templateIds: readonly TemplateId[]): RecordedChange {
    const removed = templateIds.flatMap((templateId) => this.#remove(templateId) ?? []);
    return {
      change: { removals: removed.map(({ template }) => template.templateId), upserts: [] },
      displaced: removed.map(({ template, partition }) => bytesOf(template, partition.name.dimension)),
    };
  }

  sizes(): readonly PartitionSize[] {
    return [...this.#partitions.values()].map(({ name, templates }) => ({
      spaceId: name.spaceId,
      keyId: name.keyId,
      templates,
    }));
  }

  /** A whole share, in changes of at most `size` templates. What is recorded meanwhile may or may not be among it. */
  *replay(size: number, share: number): Generator<GalleryChange> {
    let upserts = new Map<PartitionState, StoredTemplate[]>();
    let count = 0;
    for (const { partition, template } of this.#rows.values()) {
      if (shareOf(template.templateId) !== share) continue;
      const group = upserts.get(partition);
      if (group) group.push(template);
      else upserts.set(partition, [template]);
      count += 1;
      if (count < size) continue;
      yield { removals: [], upserts: grouped(upserts) };
      upserts = new Map();
      count = 0;
    }
    if (count > 0) yield { removals: [], upserts: grouped(upserts) };
  }

  #validate(entries: readonly GalleryEntry[]): void {
    const fresh = new Map<string, number>();
    for (const { template } of entries) {
      if (this.partitionFor(template)) continue;
      const expected = fresh.get(belonging(template));
      if (expected === undefined) fresh.set(belonging(template), template.dimension);
      else assertDimension(template.dimension, expected);
    }
  }

  /** As if nothing were displaced: near the limit that makes no difference. */
  #assertRoom(entries: readonly GalleryEntry[]): void {
    const fresh = entries.filter(({ templateId }) => !this.#rows.has(templateId));
    const [{ template } = {}] = fresh;
    if (!template) return;
    const held = [...this.#partitions.values()].map(({ name, templates }) => codeBytesFor(templates, name.dimension));
    const bytes = held.reduce((sum, own) => sum + own, codeBytesFor(fresh.length, template.dimension));
    if (bytes <= this.#largestCodeBytes) return;
    throw new AppError('GALLERY.FULL', `A flat gallery holds at most ${this.#largestCodeBytes} bytes of codes.`);
  }

  #partition({ spaceId, keyId, dimension }: Template): PartitionState {
    const text = belonging({ spaceId, keyId });
    const partition = this.#partitions.get(text) ?? { name: { spaceId, keyId, dimension }, templates: 0 };
    this.#partitions.set(text, partition);
    return partition;
  }

  #remove(templateId: TemplateId): LedgerRow | undefined {
    const row = this.#rows.get(templateId);
    if (!row) return undefined;
    this.#rows.delete(templateId);
    row.partition.templates -= 1;
    const { spaceId, keyId } = row.partition.name;
    if (row.partition.templates === 0) this.#partitions.delete(belonging({ spaceId, keyId }));
    return row;
  }
}

function belonging({ spaceId, keyId }: Pick<Template, 'spaceId' | 'keyId'>): string {
  return JSON.stringify([spaceId, keyId]);
}

function grouped(upserts: ReadonlyMap<PartitionState, readonly StoredTemplate[]>): PartitionUpsert[] {
  return [...upserts].map(([{ name }, templates]) => ({ partition: name, templates }));
}

/** One object for all entries with the same sites and groups: most people share theirs with many. */
function sharedOf({ sites, groups }: PersonAttributes, shared: Map<string, PersonAttributes>): PersonAttributes {
  const text = JSON.stringify([sites, groups]);
  const known = shared.get(text);
  if (known) return known;
  const attributes = { sites: [...sites], groups: [...groups] };
  shared.set(text, attributes);
  return attributes;
}

interface SharedEntry extends Pick<StoredTemplate, 'memory' | 'offset'> {
  readonly entry: GalleryEntry;
}

/** The entries with copies of their bytes, in one piece of shared memory. */
function withSharedMemory(entries: readonly GalleryEntry[]): readonly SharedEntry[] {
  const bytes = entries.reduce((sum, { template }) => sum + template.data.length, 0);
  const memory = new SharedArrayBuffer(bytes);
  const all = new Uint8Array(memory);
  let end = 0;
  return entries.map((entry) => {
    const offset = end;
    all.set(entry.template.data, offset);
    end += entry.template.data.length;
    return { entry, memory, offset };
  });
}
