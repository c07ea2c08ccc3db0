import type { TemplateId } from '@sightline/kernel';

import type { Candidate } from '../gallery.js';
import { CodeArena } from './code-arena.js';
import { ExactSearch } from './exact-search.js';
import type { FlatGalleryCalls, GalleryChange, PartitionProbe } from './flat-gallery-calls.js';
import { Partition } from './partition.js';
import { partitionText, type PartitionName } from './stored-template.js';

/** All partitions, and where each template is. What the worker owns. */
export class PartitionIndex implements FlatGalleryCalls {
  readonly #arena: CodeArena;
  readonly #search: ExactSearch;
  readonly #partitions = new Map<string, Partition>();
  readonly #partitionOf = new Map<TemplateId, Partition>();

  private constructor(arena: CodeArena, search: ExactSearch) {
    this.#arena = arena;
    this.#search = search;
  }

  /** @throws AppError `MODEL.INVALID` where ONNX Runtime cannot multiply integers */
  static async open(): Promise<PartitionIndex> {
    const arena = new CodeArena();
    return new PartitionIndex(arena, await ExactSearch.open(arena));
  }

  apply({ removals, upserts }: GalleryChange): void {
    for (const templateId of removals) this.#remove(templateId);
    for (const { partition: name, templates } of upserts) {
      const partition = this.#partition(name);
      for (const template of templates) {
        if (this.#partitionOf.get(template.templateId) !== partition) this.#remove(template.templateId);
        partition.upsert(template);
        this.#partitionOf.set(template.templateId, partition);
      }
    }
  }

  async search(probes: readonly PartitionProbe[]): Promise<readonly (readonly Candidate[])[]> {
    const found = probes.map((): readonly Candidate[] => []);
    for (const [text, places] of placesByPartition(probes)) {
      const partition = this.#partitions.get(text);
      if (!partition) continue;
      const group = places.flatMap((place) => probes[place] ?? []);
      const answers = await this.#search.search(partition, group);
      places.forEach((place, index) => {
        found[place] = answers[index] ?? [];
      });
    }
    return found;
  }

  #partition(name: PartitionName): Partition {
    const text = partitionText(name);
    const partition = this.#partitions.get(text) ?? new Partition(this.#arena, name);
    this.#partitions.set(text, partition);
    return partition;
  }

  #remove(templateId: TemplateId): void {
    const partition = this.#partitionOf.get(templateId);
    if (!partition) return;
    partition.remove(templateId);
    this.#partitionOf.delete(templateId);
    if (partition.size === 0) this.#partitions.delete(partitionText(partition.name));
  }
}

function placesByPartition(probes: readonly PartitionProbe[]): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  probes.forEach(({ partition }, place) => {
    const text = partitionText(partition);
    const group = places.get(text);
    if (group) group.push(place);
    else places.set(text, [place]);
  });
  return places;
}
