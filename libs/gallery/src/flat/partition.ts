import type { PersonId, TemplateId } from '@sightline/kernel';
import { decodeTemplate } from '@sightline/template-protection';

import type { GalleryFilter } from '../gallery.js';
import { AttributeSets } from './attribute-sets.js';
import type { CodeArena } from './code-arena.js';
import { CodeBlock } from './code-block.js';
import { codeTemplate } from './codes.js';
import { bytesOf, type PartitionName, type StoredTemplate } from './stored-template.js';

/**
 * Templates in a block. The first one of a partition grows from 64 by four times, so that a small tenant takes little;
 * 4,096 are 2 MiB of codes at 512 components: beyond them nothing is ever copied.
 */
const smallestBlock = 64;
const growth = 4;
export const rowsPerBlock = 4096;

type Row = Pick<StoredTemplate, 'templateId' | 'codec' | 'scale' | 'memory' | 'offset'> & {
  readonly person: Person;
  /** A number of the partition's {@link AttributeSets}. */
  readonly set: number;
};

interface Person {
  readonly id: PersonId;
  templates: number;
}

/**
 * The templates of one partition, dense: row r is row r mod 4,096 of block ⌊r / 4,096⌋. A removed row is filled by
 * the last one, so that no scan ever meets a hole.
 */
export class Partition {
  readonly name: PartitionName;
  readonly #arena: CodeArena;
  readonly #rows: Row[] = [];
  readonly #rowOf = new Map<TemplateId, number>();
  readonly #people = new Map<PersonId, Person>();
  readonly #attributes = new AttributeSets();
  readonly #blocks: CodeBlock[] = [];

  constructor(arena: CodeArena, name: PartitionName) {
    this.#arena = arena;
    this.name = name;
  }

  get size(): number {
    return this.#rows.length;
  }

  /** People with a template here. */
  get people(): number {
    return this.#people.size;
  }

  /** The block at an index holds the rows from `index · rowsPerBlock` on. */
  get blocks(): readonly CodeBlock[] {
    return this.#blocks;
  }

  /** @throws RangeError for a row that is not there */
  idsOf(row: number): { readonly templateId: TemplateId; readonly personId: PersonId } {
    const { templateId, person } = this.#row(row);
    return { templateId, personId: person.id };
  }

  /** The stored form of a row's template. */
  vector(row: number): Float32Array {
    return this.#decode(this.#row(row));
  }

  /** By row: 1 for those that a filter lets through, otherwise 0. */
  passing(filter: GalleryFilter): Uint8Array {
    const sets = this.#attributes.passing(filter);
    const passing = new Uint8Array(this.size);
    for (let row = 0; row < passing.length; row += 1) passing[row] = sets[this.#rows[row]?.set ?? 0] ?? 0;
    return passing;
  }

  /** Adds, or replaces by template id. @throws AppError `GALLERY.FULL`; then nothing has changed */
  upsert({ personId, attributes, ...stored }: StoredTemplate): void {
    const vector = this.#decode(stored);
    const row = this.#rowOf.get(stored.templateId) ?? this.#rows.length;
    const block = this.#blockWithRoom(row);
    const replaced = this.#rows[row];
    if (replaced) this.#forget(replaced);
    const person = this.#people.get(personId) ?? { id: personId, templates: 0 };
    person.templates += 1;
    this.#people.set(personId, person);
    const { templateId, codec, scale, memory, offset } = stored;
    this.#rows[row] = { templateId, codec, scale, memory, offset, person, set: this.#attributes.join(attributes) };
    this.#rowOf.set(templateId, row);
    block.put(row % rowsPerBlock, codec === 'int8' ? codeTemplate(vector, scale) : codeTemplate(vector));
  }

  remove(templateId: TemplateId): void {
    const row = this.#rowOf.get(templateId);
    if (row === undefined) return;
    this.#forget(this.#row(row));
    this.#rowOf.delete(templateId);
    const last = this.#rows.length - 1;
    const lastBlock = this.#block(last);
    if (row !== last) {
      this.#block(row).copy(row % rowsPerBlock, lastBlock, last % rowsPerBlock);
      const moved = this.#row(last);
      this.#rows[row] = moved;
      this.#rowOf.set(moved.templateId, row);
    }
    this.#rows.pop();
    lastBlock.clear(last % rowsPerBlock);
    if (last % rowsPerBlock === 0) this.#blocks.pop()?.release();
  }

  #row(row: number): Row {
    const stored = this.#rows[row];
    if (!stored) throw new RangeError(`there is no row ${row}`);
    return stored;
  }

  #decode(stored: Pick<StoredTemplate, 'codec' | 'scale' | 'memory' | 'offset'>): Float32Array {
    const { dimension } = this.name;
    const { codec, scale } = stored;
    return decodeTemplate({ codec, scale, dimension, data: bytesOf(stored, dimension) });
  }

  #forget({ person, set }: Row): void {
    this.#attributes.leave(set);
    person.templates -= 1;
    if (person.templates === 0) this.#people.delete(person.id);
  }

  #block(row: number): CodeBlock {
    const block = this.#blocks[Math.floor(row / rowsPerBlock)];
    if (!block) throw new RangeError(`there is no block for row ${row}`);
    return block;
  }

  #blockWithRoom(row: number): CodeBlock {
    const index = Math.floor(row / rowsPerBlock);
    const block = this.#blocks[index];
    if (block && row % rowsPerBlock < block.capacity) return block;
    const { dimension } = this.name;
    const roomy = block
      ? block.grown(growth * block.capacity)
      : new CodeBlock(this.#arena, dimension, index === 0 ? smallestBlock : rowsPerBlock);
    this.#blocks[index] = roomy;
    return roomy;
  }
}
