import { createHash } from 'node:crypto';

import type { InputSource } from '../activations.js';
import type { ProofInput } from '../run-model.js';

/** What calibration inputs were: their number, and SHA-256 over their shapes and values (little-endian float32). */
export interface CalibrationDigest {
  readonly inputs: number;
  readonly sha256: string;
}

/** Takes a digest of inputs while somebody else walks over them, and keeps the first few. */
export class CalibrationRecord {
  readonly #hash = createHash('sha256');
  readonly #kept: ProofInput[] = [];
  readonly #most: number;
  #inputs = 0;

  /** @param most inputs to keep */
  constructor(most: number) {
    this.#most = most;
  }

  get kept(): readonly ProofInput[] {
    return this.#kept;
  }

  async *record(inputs: InputSource): AsyncGenerator<ProofInput> {
    for await (const input of inputs) {
      for (const { shape, values } of input) {
        this.#hash.update(`${shape.join('×')}:`);
        this.#hash.update(littleEndian(values));
      }
      if (this.#kept.length < this.#most) this.#kept.push(input);
      this.#inputs += 1;
      yield input;
    }
  }

  /** Once, when the walk is over. */
  digest(): CalibrationDigest {
    return { inputs: this.#inputs, sha256: this.#hash.digest('hex') };
  }
}

function littleEndian(values: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => {
    view.setFloat32(index * 4, value, true);
  });
  return new Uint8Array(view.buffer);
}
