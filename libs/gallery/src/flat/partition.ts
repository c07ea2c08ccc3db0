import type { PersonId, TemplateId } from '@sightline/kernel';
import { decodeTemplate } from '@sightline/template-protection';

import type { GalleryFilter } from '../gallery.js';
import { AttributeSets } from './attribute-sets.js';
import type { CodeArena } from './code-arena.js';
import { CodeBlock } from './code-block.js';
import { codedAsStored, codeTemplate, type Coded } from './codes.js';
import { bytesOf, type PartitionName, type StoredTemplate } from './stored-template.js';

/**
 * Templates in a block. The first one of a partition grows from 64 by four times, so that a small tenant takes little;
 * 4,096 are 2 MiB of codes at 512 components: beyond them nothing is ever copied.
 */
const smallestBlock = 64;
const growth = 4;
export const rowsPerBlock = 4096;

/** Rows that the blocks of a partition of so many templates have room for. */
export function roomFor(templates: number): number {
  if (templates > rowsPerBlock) return Math.ceil(templates / rowsPerBlock) * rowsPerBlock;
  let room = smallestBlock;
  while (room < templates) room *= growth;
  return room;
}

type StoredForm = Pick<StoredTemplate, 'codec' | 'scale' | 'memory' | 'offset'>;

interface Row extends StoredForm {
  readonly templateId: TemplateId;
  readonly person: Person;
}

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
  /** By block, by row of it: a number of `#attributes`. Apart from the rows, since a filter looks at all of them. */
  readonly #sets: Int32Array[] = [];

  #version = 0;

  constructor(arena: CodeArena, name: PartitionName) {
    this.#arena = arena;
    this.name = name;
  }

  /** Another one after every change. */
  get version(): number {
    return this.#version;
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
    const bySet = this.#attributes.passing(filter);
    const passing = new Uint8Array(this.size);
    this.#sets.forEach((sets, index) => {
      const start = index * rowsPerBlock;
      const rows = Math.min(rowsPerBlock, this.size - start);
      for (let row = 0; row < rows; row += 1) passing[start + row] = bySet[sets[row] ?? 0] ?? 0;
    });
    return passing;
  }

  /** Adds, or replaces by template id. @throws AppError `GALLERY.FULL`; then nothing has changed */
  upsert({ personId, attributes, ...stored }: StoredTemplate): void {
    const coded = this.#code(stored);
    const row = this.#rowOf.get(stored.templateId) ?? this.#rows.length;
    const block = this.#blockWithRoom(row);
    this.#version += 1;
    const replaced = this.#rows[row];
    if (replaced) this.#forget(replaced, row);
    const person = this.#people.get(personId) ?? { id: personId, templates: 0 };
    person.templates += 1;
    this.#people.set(personId, person);
    const { templateId, codec, scale, memory, offset } = stored;
    this.#rows[row] = { templateId, codec, scale, memory, offset, person };
    this.#setsOf(row)[row % rowsPerBlock] = this.#attributes.join(attributes);
    this.#rowOf.set(templateId, row);
    block.put(row % rowsPerBlock, coded);
  }

  remove(templateId: TemplateId): void {
    const row = this.#rowOf.get(templateId);
    if (row === undefined) return;
    this.#version += 1;
    this.#forget(this.#row(row), row);
    this.#rowOf.delete(templateId);
    const last = this.#rows.length - 1;
    const lastBlock = this.#block(last);
    if (row !== last) {
      this.#block(row).copy(row % rowsPerBlock, lastBlock, last % rowsPerBlock);
      const moved = this.#row(last);
      this.#rows[row] = moved;
      this.#setsOf(row)[row % rowsPerBlock] = this.#setsOf(last)[last % rowsPerBlock] ?? 0;
      this.#rowOf.set(moved.templateId, row);
    }
    this.#rows.pop();
    lastBlock.clear(last % rowsPerBlock);
    if (last % rowsPerBlock > 0) return;
    this.#blocks.pop()?.release();
    this.#sets.pop();
  }

  #row(row: number): Row {
    const stored = this.#rows[row];
    if (!stored) throw new RangeError(`there is no row ${row}`);
    return stored;
  }

  #code(stored: StoredForm): Coded {
    if (stored.codec !== 'int8') return codeTemplate(this.#decode(stored));
    return codedAsStored(new Int8Array(stored.memory, stored.offset, this.name.dimension));
  }

  #decode(stored: StoredForm): Float32Array {
    const { dimension } = this.name;
    const { codec, scale } = stored;
    return decodeTemplate({ codec, scale, dimension, data: bytesOf(stored, dimension) });
  }

  #forget({ person }: Row, row: number): void {
    this.#attributes.leave(this.#setsOf(row)[row % rowsPerBlock] ?? 0);
    person.templates -= 1;
    if (person.templates === 0) this.#people.delete(person.id);
  }

  #setsOf(row: number): Int32Array {
    const index = Math.floor(row / rowsPerBlock);
    return (this.#sets[index] ??= new Int32Array(rowsPerBlock));
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
