import type { GalleryEntry } from '@sightline/gallery';
import type { TemplateId } from '@sightline/kernel';
import { decodeTemplate, type Template } from '@sightline/template-protection';

import { dimension, entryOf, personOf } from './faces.js';

/** The plainest search there is: one loop in JavaScript over all templates as float32. */
export class JavaScriptLoop {
  /** All of them, one after another. */
  readonly vectors: Float32Array;

  /** @param templates the first ones of `entryOf`, in their stored forms, at unit length */
  constructor(templates: number) {
    this.vectors = new Float32Array(templates * dimension);
    for (let number = 0; number < templates; number += 1) {
      const vector = decodeTemplate(entryOf(number).template);
      const length = lengthOf(vector);
      this.vectors.set(
        vector.map((component) => component / length),
        number * dimension,
      );
    }
  }

  /** @returns the person of the nearest template by the cosine */
  nearest(probe: Float32Array): number {
    let [best, highest] = [0, -Infinity];
    for (let number = 0; number * dimension < this.vectors.length; number += 1) {
      const product = dot(this.vectors, number * dimension, probe);
      if (product > highest) [best, highest] = [number, product];
    }
    return personOf(best);
  }
}

/** Finds the nearest template of each probe while templates go by, in float64: what any search is held to. */
export class Truth {
  readonly #probes: readonly { readonly template: Template; readonly vector: Float32Array }[];
  readonly #best: { cosine: number; templateId: TemplateId | undefined }[];

  constructor(probes: readonly Template[]) {
    this.#probes = probes.map((template) => ({ template, vector: decodeTemplate(template) }));
    this.#best = probes.map(() => ({ cosine: -Infinity, templateId: undefined }));
  }

  see({ templateId, template }: GalleryEntry): void {
    const vector = decodeTemplate(template);
    const length = lengthOf(vector);
    this.#probes.forEach((probe, index) => {
      const cosine = dot(vector, 0, probe.vector) / length;
      const best = this.#best[index];
      if (best && cosine > best.cosine) Object.assign(best, { cosine, templateId });
    });
  }

  /** Each probe with its nearest template. */
  answers(): readonly { readonly probe: Template; readonly nearest: TemplateId | undefined }[] {
    return this.#probes.map(({ template }, index) => ({ probe: template, nearest: this.#best[index]?.templateId }));
  }
}

function dot(vectors: Float32Array, start: number, vector: Float32Array): number {
  let product = 0;
  for (let index = 0; index < dimension; index += 1) product += (vectors[start + index] ?? 0) * (vector[index] ?? 0);
  return product;
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(dot(vector, 0, vector));
}
