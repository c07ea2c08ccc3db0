import type { Template } from '@sightline/contracts';

/** Codes of a probe that may be changed, each by one: no cosine moves by more than a ten-thousandth. */
const CHANGED = 20;

/**
 * Probes without an end, no two of them the same: what was searched for once must not answer for another sighting. Each
 * is one of the given int8 probes with the lowest bits of a few codes changed.
 */
export function endlessProbes(probes: readonly Template[]): () => Template {
  const places = probes.map(({ data }) => changeable(data));
  let index = 0;
  return () => {
    const probe = probes[index % probes.length];
    const bits = Math.floor(index / probes.length);
    const own = places[index % probes.length] ?? [];
    index += 1;
    if (probe === undefined) throw new Error('there are no probes');
    if (bits >= 2 ** CHANGED) throw new Error('there are no more probes');
    const data = Uint8Array.from(probe.data);
    own.forEach((place, bit) => {
      data[place] = (data[place] ?? 0) ^ ((bits >> bit) & 1);
    });
    return { ...probe, data };
  };
}

/** Codes between 1 and 99: their neighbours are codes too. */
function changeable(data: Uint8Array): readonly number[] {
  const places = [...data.keys()].filter((place) => {
    const code = data[place] ?? 0;
    return code >= 1 && code < 100;
  });
  if (places.length < CHANGED) throw new Error('the probe has too few codes that can be changed');
  return places.slice(0, CHANGED);
}
