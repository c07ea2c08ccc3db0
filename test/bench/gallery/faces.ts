import type { KeyId, PersonId, Sha256, SpaceId, TemplateId } from '@sightline/kernel';
import { encodeTemplate, type Template } from '@sightline/template-protection';
import type { GalleryEntry } from '@sightline/gallery';

export const dimension = 512;
export const samplesEach = 5;
/** Noise of a shot as a share of the face's length: two shots of one person have a cosine of about 0.64. */
const spread = 0.75;
/** The shot of a person that is looked up: no template is made of it. */
const probeShot = samplesEach;
const origin = {
  spaceId: 'bench-space' as SpaceId,
  keyId: 'bench-key' as KeyId,
  variantDigest: '0'.repeat(64) as Sha256,
  quality: 0.9,
};

/** Who a template, by its number, is of. */
export function personOf(number: number): number {
  return Math.floor(number / samplesEach);
}

/** A shot as the unit vector that an embedder would give. The same for the same numbers, always. */
export function shotOf(person: number, shot: number): Float32Array {
  const vector = new Float32Array(dimension);
  add(vector, 2 * person + 1, 1);
  add(vector, (person * 16 + shot) * 2, spread);
  let square = 0;
  for (const component of vector) square += component * component;
  const length = Math.sqrt(square);
  for (let index = 0; index < dimension; index += 1) vector[index] = (vector[index] ?? 0) / length;
  return vector;
}

export function probeOf(person: number): Template {
  return encodeTemplate(shotOf(person, probeShot), { ...origin, codec: 'float16' });
}

/** The template with a number, as a device sends it: one in three has a site, one in a hundred is in a group. */
export function entryOf(number: number): GalleryEntry {
  const person = personOf(number);
  return {
    templateId: idOf(2, number) as TemplateId,
    personId: personIdOf(person),
    template: encodeTemplate(shotOf(person, number % samplesEach), { ...origin, codec: 'int8' }),
    attributes: { sites: person % 3 ? [] : ['north'], groups: person % 100 ? [] : ['wanted'] },
  };
}

export function personIdOf(person: number): PersonId {
  return idOf(1, person) as PersonId;
}

function idOf(kind: number, number: number): string {
  return `00000000-0000-7000-800${kind}-${number.toString(16).padStart(12, '0')}`;
}

/**
 * Adds `share` of a direction: the sum of the four bytes of one random number is near enough to a bell curve. The numbers
 * are xorshift32's (Marsaglia, 2003), from a seed mixed as by MurmurHash3.
 */
function add(vector: Float32Array, seed: number, share: number): void {
  let state = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35) || 1;
  for (let index = 0; index < dimension; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const sum = (state & 255) + ((state >>> 8) & 255) + ((state >>> 16) & 255) + (state >>> 24);
    vector[index] = (vector[index] ?? 0) + share * (sum - 510);
  }
}
