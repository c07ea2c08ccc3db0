import { element, setText } from './dom.js';
import { duration, integer } from './format.js';

/** Outcomes that have a place from the start; others get one when they occur. */
const ALWAYS = ['identified', 'unknown', 'refused'];

/** Counts of sightings by outcome, and how long sightings take. */
export class Counts {
  #list;
  /** @type {Map<string, HTMLElement>} */
  #values = new Map();

  /** @param {HTMLElement} list a description list */
  constructor(list) {
    this.#list = list;
    list.replaceChildren();
    for (const name of ['seen', ...ALWAYS, 'median end to end']) this.#add(name);
  }

  /**
   * @param {ReadonlyMap<string, number>} counts by outcome
   * @param {readonly import('./sightings-table.js').Sighting[]} shown
   */
  show(counts, shown) {
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    this.#set('seen', integer(total));
    for (const outcome of new Set([...ALWAYS, ...counts.keys()])) this.#set(outcome, integer(counts.get(outcome) ?? 0));
    // One that was sent late tells how long the connection was away.
    const latencies = shown.filter(({ replayed }) => !replayed).map(({ latencyMs }) => latencyMs);
    const median = latencies.sort((a, b) => a - b).at(latencies.length >> 1);
    this.#set('median end to end', median === undefined ? '–' : duration(median));
  }

  clear() {
    for (const value of this.#values.values()) setText(value, '–');
  }

  /** @param {string} name */
  #add(name) {
    const value = element('dd', {}, '–');
    const group = element('div', { 'data-count': name }, element('dt', {}, name), value);
    this.#list.insertBefore(group, this.#values.get('median end to end')?.parentElement ?? null);
    this.#values.set(name, value);
    return value;
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #set(name, text) {
    setText(this.#values.get(name) ?? this.#add(name), text);
  }
}
