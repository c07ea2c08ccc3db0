import type { GalleryFilter, PersonAttributes } from '../gallery.js';
import { passes } from '../passes.js';

interface AttributeSet {
  readonly id: number;
  readonly attributes: PersonAttributes;
  members: number;
}

/** The different sites and groups of a partition's rows, by number: most people share theirs with many. */
export class AttributeSets {
  readonly #byText = new Map<string, AttributeSet>();
  readonly #byId: (AttributeSet | undefined)[] = [];
  readonly #free: number[] = [];

  /** One member more. @returns the set's number */
  join(attributes: PersonAttributes): number {
    const text = textOf(attributes);
    let set = this.#byText.get(text);
    if (!set) {
      set = { id: this.#free.pop() ?? this.#byId.length, attributes, members: 0 };
      this.#byText.set(text, set);
      this.#byId[set.id] = set;
    }
    set.members += 1;
    return set.id;
  }

  /** One member less. */
  leave(id: number): void {
    const set = this.#byId[id];
    if (!set) return;
    set.members -= 1;
    if (set.members > 0) return;
    this.#byText.delete(textOf(set.attributes));
    this.#byId[id] = undefined;
    this.#free.push(id);
  }

  /** By a set's number: 1 when a filter lets its members through, otherwise 0. */
  passing(filter: GalleryFilter): Uint8Array {
    return Uint8Array.from(this.#byId, (set) => (set && passes(set.attributes, filter) ? 1 : 0));
  }
}

function textOf({ sites, groups }: PersonAttributes): string {
  return JSON.stringify([sites, groups]);
}
