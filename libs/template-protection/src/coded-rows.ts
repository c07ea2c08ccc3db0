import { KERNEL_START, openKernels, reserve, type TemplateKernels } from './kernels.js';
import { assertDimension, validateVector } from './validate.js';

/** The kernel takes 16 components and four rows at a time. */
const COMPONENTS_TOGETHER = 16;
const ROWS_TOGETHER = 4;
/** Rows of one call: their products stay in a cache. */
const CHUNK = 4096;
/** Rows that there is room for at first. */
const FIRST_ROWS = 64;
/** Rounding of the estimate's own arithmetic, in float32 and float64, with room to spare. */
const ROUNDING = 1e-6;
/** The furthest that a row's codes lie from zero; -128 is never written, but would still be right. */
const LARGEST_CODE = 128;
const LARGEST_PROBE_CODE = 32_767;

interface CodedProbe {
  readonly codes: Int16Array;
  /** step / |probe| */
  readonly weight: number;
  /** |probe − step · codes| / |probe| */
  readonly residual: number;
}

/** What a row's cosine with the probe is estimated at, times a constant of the probe. */
interface Estimate {
  readonly row: number;
  readonly estimate: number;
}

/**
 * The int8 codes of templates of one model space and one template key, in one piece of memory, to be compared with a
 * probe all at once on the calling thread. Four rows lie together, 16 components of each in turn.
 *
 * A scan multiplies whole numbers: the rows' codes with the probe in 16 bits. What that leaves of the probe bounds
 * the error of every estimate (Cauchy–Schwarz), so the few rows within twice that bound of the best estimate are all
 * that can be nearest: their exact scores decide.
 */
export class CodedRows {
  readonly #kernel: TemplateKernels = openKernels();
  readonly #dimension: number;
  /** The dimension, filled up with zeros. */
  readonly #stride: number;
  readonly #productsAt: number;
  readonly #rowsAt: number;
  #size = 0;
  #scales = new Float64Array(FIRST_ROWS);
  /** 1 / |codes| */
  #weights = new Float64Array(FIRST_ROWS);

  constructor(dimension: number) {
    this.#dimension = dimension;
    this.#stride = Math.ceil(dimension / COMPONENTS_TOGETHER) * COMPONENTS_TOGETHER;
    this.#productsAt = KERNEL_START + this.#stride * Int16Array.BYTES_PER_ELEMENT;
    this.#rowsAt = this.#productsAt + CHUNK * Int32Array.BYTES_PER_ELEMENT;
    reserve(this.#kernel, this.#rowsAt);
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Adds a template that {@link validateTemplate} has accepted, as the last row.
   *
   * @param codes int8, as `Template.data` has them
   * @returns its row
   * @throws AppError `TEMPLATE.WRONG_DIMENSION`
   */
  add({ data, scale }: { readonly data: Uint8Array; readonly scale: number }): number {
    assertDimension(data.length, this.#dimension);
    const row = this.size;
    // Whole groups: the kernel reads on to the end of the last one.
    const groups = Math.ceil((row + 1) / ROWS_TOGETHER);
    reserve(this.#kernel, this.#rowsAt + groups * ROWS_TOGETHER * this.#stride);
    const codes = new Int8Array(data.buffer, data.byteOffset, data.length);
    this.#write(row, codes);
    if (row === this.#scales.length) {
      this.#scales = twiceAsLong(this.#scales);
      this.#weights = twiceAsLong(this.#weights);
    }
    this.#scales[row] = scale;
    this.#weights[row] = 1 / Math.sqrt(codes.reduce((sum, code) => sum + code * code, 0));
    this.#size += 1;
    return row;
  }

  /** Overwrites a row: the last one takes its place, and nothing of what was there is left. */
  remove(row: number): void {
    this.#assertRow(row);
    const last = this.size - 1;
    this.#write(row, this.#read(last));
    this.#write(last, new Int8Array(this.#dimension));
    for (const column of [this.#scales, this.#weights]) {
      column[row] = column[last] ?? 0;
      column[last] = 0;
    }
    this.#size = last;
  }

  /** Overwrites all of it. */
  clear(): void {
    new Int8Array(this.#kernel.memory.buffer, this.#rowsAt).fill(0);
    this.#scales = new Float64Array(FIRST_ROWS);
    this.#weights = new Float64Array(FIRST_ROWS);
    this.#size = 0;
  }

  /** The stored form of a row's template, as `decodeTemplate` gives it. */
  vector(row: number): Float32Array {
    this.#assertRow(row);
    const scale = this.#scales[row] ?? 0;
    const vector = Float32Array.from(this.#read(row));
    for (let index = 0; index < vector.length; index += 1) vector[index] = scale * (vector[index] ?? 0);
    return vector;
  }

  /**
   * The rows of which one is nearest to the probe by the cosine of the stored forms, in no order: nearly always one.
   *
   * @param within all rows are returned, and a few more, whose cosine is less than that below the nearest row's …
   * @param from … where the nearest row's cosine is not less than this
   * @throws AppError `TEMPLATE.WRONG_DIMENSION`, `TEMPLATE.INVALID` (NaN, infinite or zero)
   */
  nearest(probe: Float32Array, within = 0, from = -1): readonly number[] {
    assertDimension(probe.length, this.#dimension);
    validateVector(probe);
    const { codes, weight, residual } = codeProbe(probe);
    const error = residual + ROUNDING;
    const margin = (2 * error + within) / weight;
    new Int16Array(this.#kernel.memory.buffer, KERNEL_START, this.#stride).set(codes);
    let best = -Infinity;
    let found: Estimate[] = [];
    for (let first = 0; first < this.size; first += CHUNK) {
      const { estimates, largest } = this.#estimates(first, Math.min(CHUNK, this.size - first));
      best = Math.max(best, largest);
      found = found.filter(({ estimate }) => estimate >= best - margin);
      for (let index = 0; index < estimates.length; index += 1) {
        const estimate = estimates[index] ?? 0;
        if (estimate >= best - margin) found.push({ row: first + index, estimate });
      }
    }
    const reached = best * weight + error < from ? (2 * error) / weight : margin;
    return found.flatMap(({ row, estimate }) => (estimate >= best - reached ? [row] : []));
  }

  /** What the products of some rows with the probe are of the rows' lengths. */
  #estimates(first: number, count: number): { readonly estimates: Float64Array; readonly largest: number } {
    const products = this.#scan(first, count);
    const weights = this.#weights.subarray(first, first + count);
    const estimates = new Float64Array(count);
    let largest = -Infinity;
    for (let index = 0; index < count; index += 1) {
      const estimate = (products[index] ?? 0) * (weights[index] ?? 0);
      estimates[index] = estimate;
      if (estimate > largest) largest = estimate;
    }
    return { estimates, largest };
  }

  #scan(first: number, count: number): Int32Array {
    const whole = Math.ceil(count / ROWS_TOGETHER) * ROWS_TOGETHER;
    const rowsAt = this.#rowsAt + first * this.#stride;
    this.#kernel.scan(rowsAt, whole, this.#stride, KERNEL_START, this.#productsAt);
    return new Int32Array(this.#kernel.memory.buffer, this.#productsAt, count);
  }

  #assertRow(row: number): void {
    if (!(row >= 0 && row < this.size)) throw new RangeError(`there is no row ${row}`);
  }

  #read(row: number): Int8Array {
    const codes = new Int8Array(this.#dimension);
    for (let first = 0; first < codes.length; first += COMPONENTS_TOGETHER) {
      codes.set(this.#piece(row, first), first);
    }
    return codes;
  }

  #write(row: number, codes: Int8Array): void {
    for (let first = 0; first < codes.length; first += COMPONENTS_TOGETHER) {
      this.#piece(row, first).set(codes.subarray(first, first + COMPONENTS_TOGETHER));
    }
  }

  /** The codes of a row from a component on: up to 16, and none beyond the dimension. */
  #piece(row: number, first: number): Int8Array {
    const place = row % ROWS_TOGETHER;
    const groupAt = this.#rowsAt + (row - place) * this.#stride;
    const at = groupAt + first * ROWS_TOGETHER + place * COMPONENTS_TOGETHER;
    const length = Math.min(COMPONENTS_TOGETHER, this.#dimension - first);
    return new Int8Array(this.#kernel.memory.buffer, at, length);
  }
}

function twiceAsLong(numbers: Float64Array): Float64Array<ArrayBuffer> {
  const longer = new Float64Array(2 * numbers.length);
  longer.set(numbers);
  return longer;
}

/** Codes so small that no sum of their products with a row's can leave 32 bits. */
function codeProbe(probe: Float32Array): CodedProbe {
  const limit = Math.min(LARGEST_PROBE_CODE, Math.floor((2 ** 31 - 1) / (LARGEST_CODE * probe.length)));
  const largest = probe.reduce((magnitude, component) => Math.max(magnitude, Math.abs(component)), 0);
  const step = largest / limit;
  const codes = new Int16Array(probe.length);
  let square = 0;
  let errorSquare = 0;
  for (let index = 0; index < probe.length; index += 1) {
    const component = probe[index] ?? 0;
    const code = Math.round(component / step);
    codes[index] = code;
    square += component * component;
    errorSquare += (component - step * code) ** 2;
  }
  const length = Math.sqrt(square);
  return { codes, weight: step / length, residual: Math.sqrt(errorSquare) / length };
}
