import { largestMagnitude } from './codec.js';
import { KERNEL_START, openKernels, reserve, type TemplateKernels } from './kernels.js';
import { STORED_ZERO, writeProbeCodes } from './probe-codes.js';
import { assertDimension, validateVector } from './validate.js';

/** The kernel takes 16 components and four rows at a time. */
const COMPONENTS_TOGETHER = 16;
const ROWS_TOGETHER = 4;
/** The weights of four rows, float32. */
const WEIGHTS_BYTES = 16;
/** 128 times the sum of a probe's codes, before them. */
const PROBE_HEADER = 16;
/** Groups of four rows that one call of the kernel looks at: after it the bar is raised. */
const GROUPS_PER_CALL = 64;
/** Row and estimate. */
const FOUND_BYTES = 8;
/** Rows that there is room for at first. */
const FIRST_ROWS = 64;
/** Rounding of the estimate's own arithmetic: five float32 operations on numbers about 1, 6e-8 each, with room to spare. */
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

/** What rows' cosines with the probe are estimated at, times a constant of the probe. */
interface Estimates {
  readonly rows: readonly number[];
  readonly estimates: readonly number[];
  readonly best: number;
}

/**
 * The int8 codes of templates of one model space and one template key, in one piece of memory, to be compared with a
 * probe all at once on the calling thread. Four rows lie together, 16 components of each in turn, and after them their
 * weights, 1 / |codes|.
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
  readonly #groupBytes: number;
  readonly #foundAt: number;
  readonly #rowsAt: number;
  #size = 0;
  #scales = new Float64Array(FIRST_ROWS);

  constructor(dimension: number) {
    this.#dimension = dimension;
    this.#stride = Math.ceil(dimension / COMPONENTS_TOGETHER) * COMPONENTS_TOGETHER;
    this.#groupBytes = ROWS_TOGETHER * this.#stride + WEIGHTS_BYTES;
    this.#foundAt = KERNEL_START + PROBE_HEADER + this.#stride * Int16Array.BYTES_PER_ELEMENT;
    this.#rowsAt = this.#foundAt + GROUPS_PER_CALL * ROWS_TOGETHER * FOUND_BYTES;
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
    reserve(this.#kernel, this.#groupAt(row) + this.#groupBytes);
    const codes = new Int8Array(data.buffer, data.byteOffset, data.length);
    this.#write(row, codes);
    this.#weight(row)[0] = 1 / Math.sqrt(codes.reduce((sum, code) => sum + code * code, 0));
    if (row === this.#scales.length) this.#scales = twiceAsLong(this.#scales);
    this.#scales[row] = scale;
    this.#size += 1;
    return row;
  }

  /** Overwrites a row: the last one takes its place, and nothing of what was there is left. */
  remove(row: number): void {
    this.#assertRow(row);
    const last = this.size - 1;
    this.#write(row, this.#read(last));
    this.#write(last, new Int8Array(this.#dimension));
    this.#scales[row] = this.#scales[last] ?? 0;
    this.#scales[last] = 0;
    this.#weight(row).set(this.#weight(last));
    this.#weight(last).fill(0);
    this.#size = last;
  }

  /** Overwrites all of it. */
  clear(): void {
    new Int8Array(this.#kernel.memory.buffer, this.#rowsAt).fill(0);
    this.#scales = new Float64Array(FIRST_ROWS);
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
    this.#writeProbe(codes);
    const { rows, estimates, best } = this.#scan(margin);
    const reached = best * weight + error < from ? (2 * error) / weight : margin;
    return rows.filter((_, index) => (estimates[index] ?? 0) >= best - reached);
  }

  #writeProbe(codes: Int16Array): void {
    const { buffer } = this.#kernel.memory;
    const written = new Int16Array(buffer, KERNEL_START + PROBE_HEADER, this.#stride);
    new Int32Array(buffer, KERNEL_START, 1)[0] = writeProbeCodes(codes, written);
  }

  /** All rows within a margin of the best one, and a few more. */
  #scan(margin: number): Estimates {
    const { memory } = this.#kernel;
    const most = GROUPS_PER_CALL * ROWS_TOGETHER;
    const foundRows = new Int32Array(memory.buffer, this.#foundAt, 2 * most);
    const foundEstimates = new Float32Array(memory.buffer, this.#foundAt, 2 * most);
    const [rows, estimates]: [number[], number[]] = [[], []];
    let best = -Infinity;
    for (let first = 0; first < this.size; first += most) {
      const groups = Math.min(GROUPS_PER_CALL, Math.ceil((this.size - first) / ROWS_TOGETHER));
      const count = this.#scanGroups(first, groups, best - margin);
      for (let index = 0; index < count; index += 1) {
        const row = first + (foundRows[2 * index] ?? 0);
        const estimate = foundEstimates[2 * index + 1] ?? 0;
        // The last group may have places without a row.
        if (estimate < best - margin || row >= this.size) continue;
        best = Math.max(best, estimate);
        rows.push(row);
        estimates.push(estimate);
      }
    }
    return { rows, estimates, best };
  }

  #scanGroups(first: number, groups: number, bar: number): number {
    return this.#kernel.scan(this.#groupAt(first), groups, this.#stride, KERNEL_START, bar, this.#foundAt);
  }

  #assertRow(row: number): void {
    if (!(row >= 0 && row < this.size)) throw new RangeError(`there is no row ${row}`);
  }

  #read(row: number): Int8Array {
    const codes = new Int8Array(this.#dimension);
    for (let first = 0; first < codes.length; first += COMPONENTS_TOGETHER) {
      const piece = this.#piece(row, first);
      for (let index = 0; index < piece.length; index += 1) codes[first + index] = (piece[index] ?? 0) - STORED_ZERO;
    }
    return codes;
  }

  #write(row: number, codes: Int8Array): void {
    for (let first = 0; first < codes.length; first += COMPONENTS_TOGETHER) {
      const piece = this.#piece(row, first);
      for (let index = 0; index < piece.length; index += 1) piece[index] = (codes[first + index] ?? 0) + STORED_ZERO;
    }
  }

  /** The stored codes of a row from a component on: up to 16, and none beyond the dimension. */
  #piece(row: number, first: number): Uint8Array {
    const at = this.#groupAt(row) + first * ROWS_TOGETHER + (row % ROWS_TOGETHER) * COMPONENTS_TOGETHER;
    const length = Math.min(COMPONENTS_TOGETHER, this.#dimension - first);
    return new Uint8Array(this.#kernel.memory.buffer, at, length);
  }

  /** The weight of a row. */
  #weight(row: number): Float32Array {
    const at = this.#groupAt(row) + ROWS_TOGETHER * this.#stride;
    return new Float32Array(this.#kernel.memory.buffer, at + 4 * (row % ROWS_TOGETHER), 1);
  }

  /** Where the group of four rows begins that a row is in. */
  #groupAt(row: number): number {
    return this.#rowsAt + Math.floor(row / ROWS_TOGETHER) * this.#groupBytes;
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
  const largest = largestMagnitude(probe);
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
