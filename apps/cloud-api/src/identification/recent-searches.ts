import type { Candidate } from '@sightline/gallery';
import type { Template } from '@sightline/template-protection';

import { sha256 } from '../platform/digests.js';

/** Half a minute of a busy fleet: a box that hears nothing sends again after five seconds and more. */
const CAPACITY = 16_384;

/**
 * What was found for the latest probes of sightings, so that one is not looked for twice in the same gallery: boxes send
 * again what was not acknowledged, and a sighting closes with the shots that its last revision had. Probes are known by
 * their digest.
 *
 * Invariant: what is found was searched for in the gallery of the version that is asked for.
 */
export class RecentSearches {
  readonly #found = new Map<string, Promise<readonly Candidate[]>>();
  #version = -1;

  /** @param filter the search was narrowed by; part of what a probe is known by */
  static nameOf({ spaceId, keyId, codec, scale, data }: Template, filter: string): string {
    return [spaceId, keyId, codec, scale, filter, Buffer.from(sha256(data)).toString('base64')].join(' ');
  }

  /**
   * Searches for those that were not searched for at this version of the gallery.
   *
   * @param names of the probes
   * @param search for the probes at some places. @returns what was found, in their order
   * @returns what was found for each probe, in order
   */
  async find(
    names: readonly string[],
    version: number,
    search: (places: readonly number[]) => Promise<readonly (readonly Candidate[])[]>,
  ): Promise<readonly (readonly Candidate[])[]> {
    if (version !== this.#version) this.#found.clear();
    this.#version = version;
    const missing = new Map(names.flatMap((name, place) => (this.#found.has(name) ? [] : [[name, place] as const])));
    const known = names.map((name) => this.#found.get(name));
    if (missing.size > 0) this.#remember([...missing.keys()], search([...missing.values()]));
    return Promise.all(names.map(async (name, place) => (await (known[place] ?? this.#found.get(name))) ?? []));
  }

  #remember(names: readonly string[], searched: Promise<readonly (readonly Candidate[])[]>): void {
    names.forEach((name, index) => {
      const found = searched.then((all) => all[index] ?? []);
      this.#found.set(name, found);
      found.catch(() => {
        if (this.#found.get(name) === found) this.#found.delete(name);
      });
    });
    for (const name of this.#found.keys()) {
      // Those that were asked for now stay, however many they are: they are the last.
      if (this.#found.size <= Math.max(CAPACITY, names.length)) break;
      this.#found.delete(name);
    }
  }
}
