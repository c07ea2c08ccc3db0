import type { PersonId, TemplateId } from '@sightline/kernel';
import { decodeTemplate } from '@sightline/template-protection';

import { CodeBlock } from './code-block.js';
import { codeTemplate } from './codes.js';
import type { PartitionName, StoredTemplate } from './stored-template.js';

/**
 * Templates in a block: it grows from 64 by n → 4·n + 64, up to 21,824 (11 MB of codes at 512 components; measured,
 * blocks of 16,384 and 32,768 scan 18 % and 4 % slower than one huge one). Each is an odd multiple of a cache line,
 * so that one column's codes spread over all of a cache's sets instead of falling into one.
 */
const smallestBlock = 64;
export const rowsPerBlock = 21_824;

/**
 * The templates of one partition, dense: row r is column r mod 21,824 of block ⌊r / 21,824⌋. A removed row is
 * filled by the last one, so that no scan ever meets a hole.
 */
export class Partition {
  readonly name: PartitionName;
  readonly #rows: StoredTemplate[] = [];
  readonly #rowOf = new Map<TemplateId, number>();
  readonly #templatesOf = new Map<PersonId, number>();
  readonly #blocks: CodeBlock[] = [];

  constructor(name: PartitionName) {
    this.name = name;
  }

  get size(): number {
    return this.#rows.length;
  }

  /** People with a template here. */
  get people(): number {
    return this.#templatesOf.size;
  }

  /** The block at an index holds the rows from `index · rowsPerBlock` on. */
  get blocks(): readonly CodeBlock[] {
    return this.#blocks;
  }

  /** @throws RangeError for a row that is not there */
  row(row: number): StoredTemplate {
    const stored = this.#rows[row];
    if (!stored) throw new RangeError(`there is no row ${row}`);
    return stored;
  }

  /** The stored form of a row's template. */
  vector(row: number): Float32Array {
    return decode(this.row(row), this.name);
  }

  /** Adds, or replaces by template id. */
  upsert(stored: StoredTemplate): void {
    const vector = decode(stored, this.name);
    const row = this.#rowOf.get(stored.templateId) ?? this.#rows.length;
    const replaced = this.#rows[row];
    if (replaced) this.#forgetPerson(replaced.personId);
    this.#rows[row] = stored;
    this.#rowOf.set(stored.templateId, row);
    this.#templatesOf.set(stored.personId, (this.#templatesOf.get(stored.personId) ?? 0) + 1);
    const coded = stored.codec === 'int8' ? codeTemplate(vector, stored.scale) : codeTemplate(vector);
    this.#blockWithRoom(row).put(row % rowsPerBlock, coded);
  }

  remove(templateId: TemplateId): void {
    const row = this.#rowOf.get(templateId);
    if (row === undefined) return;
    this.#forgetPerson(this.row(row).personId);
    this.#rowOf.delete(templateId);
    const last = this.#rows.length - 1;
    const lastBlock = this.#block(last);
    if (row !== last) {
      this.#block(row).copy(row % rowsPerBlock, lastBlock, last % rowsPerBlock);
      const moved = this.row(last);
      this.#rows[row] = moved;
      this.#rowOf.set(moved.templateId, row);
    }
    this.#rows.pop();
    lastBlock.clear(last % rowsPerBlock);
    if (last % rowsPerBlock === 0) this.#blocks.pop();
  }

  #forgetPerson(personId: PersonId): void {
    const templates = (this.#templatesOf.get(personId) ?? 1) - 1;
    if (templates === 0) this.#templatesOf.delete(personId);
    else this.#templatesOf.set(personId, templates);
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
    // Only the first block grows: a partition beyond it is large, and its next block will fill.
    const capacity = block ? 4 * block.capacity + smallestBlock : index === 0 ? smallestBlock : rowsPerBlock;
    const roomy = block ? block.grown(capacity) : new CodeBlock(this.name.dimension, capacity);
    this.#blocks[index] = roomy;
    return roomy;
  }
}

function decode({ codec, scale, data }: StoredTemplate, { dimension }: PartitionName): Float32Array {
  return decodeTemplate({ codec, scale, data, dimension });
}
