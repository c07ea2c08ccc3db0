import type { KeyId, PersonId, Sha256, SpaceId, TemplateId } from '@sightline/kernel';
import { encodeTemplate, type Template, type TemplateCodec, type TemplateOrigin } from '@sightline/template-protection';

import type { GalleryEntry, PersonAttributes } from '../gallery.js';

/** Uniform in [0, 1). */
export type Random = () => number;

/** A seeded generator (mulberry32), so that a failure repeats. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const personId = (number: number): PersonId => uuid(1, number) as PersonId;
export const templateId = (number: number): TemplateId => uuid(2, number) as TemplateId;

function uuid(kind: number, number: number): string {
  return `00000000-0000-7000-800${kind}-${number.toString(16).padStart(12, '0')}`;
}

/** Standard normal components: a uniformly distributed direction. */
export function randomVector(random: Random, dimension: number): Float32Array {
  return Float32Array.from({ length: dimension }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    return radius * Math.cos(2 * Math.PI * random());
  });
}

/** `vector` with noise of `share` of its length added: what another shot of the same face looks like. */
export function near(random: Random, vector: Float32Array, share: number): Float32Array {
  const noise = randomVector(random, vector.length);
  const factor = (share * length(vector)) / length(noise);
  return vector.map((component, index) => component + factor * (noise[index] ?? 0));
}

function length(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, component) => sum + component * component, 0));
}

const home = {
  spaceId: 'space-one' as SpaceId,
  keyId: 'key-one' as KeyId,
  variantDigest: 'ab'.repeat(32) as Sha256,
  quality: 0.9,
};

/** A template of the suite's home partition, unless `origin` says otherwise. */
export function template(vector: Float32Array, origin: Partial<TemplateOrigin> = {}): Template {
  return encodeTemplate(vector, { ...home, codec: 'int8', ...origin });
}

/** A template of somebody without sites and groups, unless `attributes` says otherwise. */
export function entry(
  template_: number,
  person: number,
  stored: Template,
  attributes: Partial<PersonAttributes> = {},
): GalleryEntry {
  return {
    templateId: templateId(template_),
    personId: personId(person),
    template: stored,
    attributes: { sites: [], groups: [], ...attributes },
  };
}

export interface CrowdOptions {
  readonly people: number;
  readonly templatesEach: number;
  readonly dimension: number;
  /** Noise of a shot as a share of the vector's length. */
  readonly spread: number;
  readonly codecs?: readonly TemplateCodec[];
}

/** People, each with a direction of their own, and enrolled templates around it. */
export function crowd(random: Random, options: CrowdOptions): { faces: Float32Array[]; entries: GalleryEntry[] } {
  const { people, templatesEach, dimension, spread, codecs = ['int8', 'float16'] } = options;
  const faces = Array.from({ length: people }, () => randomVector(random, dimension));
  const entries = faces.flatMap((face, person) =>
    Array.from({ length: templatesEach }, (_, shot) => {
      const number = person * templatesEach + shot;
      const codec = codecs[number % codecs.length] ?? 'int8';
      return entry(number, person, template(near(random, face, spread), { codec }));
    }),
  );
  return { faces, entries };
}
