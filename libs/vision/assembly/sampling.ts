// Samples the rows of an output from the frame, under an affine map: bilinear, with several taps for each pixel
// where the map shrinks, and the nearest edge pixel outside the frame. Each output row goes into `pixels`, four
// floats for each pixel: red, green, blue (0 to 255), 0.
// Weights are whole numbers of 1/16384, so that one instruction multiplies and adds pairs of 16-bit numbers.

const ONE: f64 = 16384;

/** An entry of a table: two 32-bit numbers. */
const ENTRY: usize = 8;
/** Four neighbours in a row: where the first begins, bytes, and the weights of the first and of the last two. */
const QUAD: usize = 16;
/** At most 16 taps of two rows each. */
const ROW_TABLE: usize = 32 * ENTRY;
/** At most 16 × 16 taps. */
const TAP_TABLE: usize = 256 * ENTRY;

let frame: usize = 0;
let stride: i32 = 0;
let lastX: i32 = 0;
let lastY: i32 = 0;

// (x, y) of the output ↦ (a·x + b·y + c, d·x + e·y + f) of the frame.
let a: f64 = 1;
let b: f64 = 0;
let c: f64 = 0;
let d: f64 = 0;
let e: f64 = 1;
let f: f64 = 0;

export let width: i32 = 0;
export let height: i32 = 0;
let taps: i32 = 1;

/** Upright maps: the rows that an output row is made of; others: where an output pixel's samples lie. */
let table: usize = 0;
/** Upright maps: the columns that each output column is made of, so many quads for each. */
let columnTable: usize = 0;
let quads: i32 = 1;
/** One sampled output row. */
export let pixels: usize = 0;

/** RGB bytes, interleaved; sides below 2²². A row's length and 16 bytes after the frame are read too, weight 0. */
export function setFrame(pointer: usize, columns: i32, rows: i32): void {
  frame = pointer;
  stride = columns * 3;
  lastX = columns - 1;
  lastY = rows - 1;
}

/** From pixels of the output to pixels of the frame; finite. */
export function setMap(mapA: f64, mapB: f64, mapC: f64, mapD: f64, mapE: f64, mapF: f64): void {
  a = mapA;
  b = mapB;
  c = mapC;
  d = mapD;
  e = mapE;
  f = mapF;
}

/** Bytes of working memory that an output takes. */
export function workBytes(columns: i32, tapsPerSide: i32): usize {
  return pixelsOffset(columns, tapsPerSide) + (<usize>columns + 4) * 16;
}

/** @param tapsPerSide samples along each side of an output pixel, 1 to 16, @param work on a multiple of 16 */
export function setOutput(columns: i32, rows: i32, tapsPerSide: i32, work: usize): void {
  width = columns;
  height = rows;
  taps = tapsPerSide;
  table = work;
  columnTable = work + ROW_TABLE;
  pixels = work + pixelsOffset(columns, tapsPerSide);
}

function pixelsOffset(columns: i32, tapsPerSide: i32): usize {
  return TAP_TABLE + <usize>(columns * tapsPerSide) * QUAD;
}

function isUpright(): bool {
  return b == 0 && d == 0;
}

/** Makes the tables that all rows of an output share. */
export function prepare(): void {
  if (isUpright()) tabulateColumns();
  else tabulateTaps();
}

/** Samples an output row into `pixels`. */
export function sampleRow(row: i32): void {
  if (!isUpright()) warpRow(row);
  else if (isWithin(row)) copyRow(row);
  else if (quads == 1) scaleRowOfQuads(row);
  else scaleRow(row);
}

/** Where a tap lies in its pixel, from the pixel's centre. */
function offsetOf(tap: i32): f64 {
  return (<f64>tap + 0.5) / <f64>taps - 0.5;
}

function clamp(value: f64, last: i32): f64 {
  return min(max(value, 0), <f64>last);
}

/**
 * Two taps that lie at most two pixels apart, as they do unless there are too few of them, share a quad. The taps'
 * shares of a pixel are rounded so that their sum is exact.
 */
function tabulateColumns(): void {
  const together = abs(a) <= 2.000001 * <f64>taps ? 2 : 1;
  quads = (taps + together - 1) / together;
  let at = columnTable;
  for (let column = 0; column < width; column++) {
    let given: i32 = 0;
    for (let tap = 0; tap < taps; tap += together) {
      const last = min(tap + together, taps) - 1;
      const x = columnOf(column, tap);
      const other = columnOf(column, last);
      const first = <i32>min(x, other);
      v128.store(at, i32x4(first * 3, 0, 0, 0));
      const until = shareUntil(tap);
      addPair(at, <i32>x - first, x - <f64>(<i32>x), until - given);
      given = until;
      if (last > tap) {
        given = shareUntil(last);
        addPair(at, <i32>other - first, other - <f64>(<i32>other), given - until);
      }
      at += QUAD;
    }
  }
}

/** Where a column's tap lies in the frame. */
function columnOf(column: i32, tap: i32): f64 {
  return clamp(a * (<f64>column + offsetOf(tap)) + c, lastX);
}

/** The weight of the taps up to this one together. */
function shareUntil(tap: i32): i32 {
  return <i32>nearest((ONE * <f64>(tap + 1)) / <f64>taps);
}

/** Shares a weight between a pixel of a quad and the next. Beyond the quad nothing but rounding is left. */
function addPair(quad: usize, pixel: i32, right: f64, share: i32): void {
  const next = pixel < 3 ? <i32>nearest(right * <f64>share) : 0;
  addWeight(quad, min(pixel, 3), share - next);
  if (next > 0) addWeight(quad, pixel + 1, next);
}

function addWeight(quad: usize, pixel: i32, weight: i32): void {
  const at = quad + 4 + <usize>pixel * 2;
  store<u16>(at, <u16>(<i32>load<u16>(at) + weight));
}

/** The frame's rows that an output row is made of: where each begins, bytes, and its weight. Returns the end. */
function tabulateRows(row: i32): usize {
  let at = table;
  let previous = -1;
  const unit = 1 / (ONE * <f64>taps);
  for (let tap = 0; tap < taps; tap++) {
    const y = clamp(e * (<f64>row + offsetOf(tap)) + f, lastY);
    const top = <i32>y;
    const lower = (y - <f64>top) * unit;
    const upper = <f32>(unit - lower);
    if (top == previous) {
      store<f32>(at - ENTRY, load<f32>(at - ENTRY, 4) + upper, 4);
    } else {
      store<i32>(at, top * stride);
      store<f32>(at, upper, 4);
      at += ENTRY;
      previous = top;
    }
    if (lower > 0) {
      previous = top + 1;
      store<i32>(at, previous * stride);
      store<f32>(at, <f32>lower, 4);
      at += ENTRY;
    }
  }
  return at;
}

/** The weighted sum of two neighbours in a row, for each channel. */
function blend(at: usize, weights: v128): v128 {
  const paired = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  return i32x4.dot_i16x8_s(i8x16.swizzle(v128.load64_zero(at), paired), weights);
}

function addRow(sum: v128, across: v128, entry: usize): v128 {
  return f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(across), v128.load32_splat(entry, 4)));
}

/** The weighted sum of four neighbours in a row, for each channel. */
function blendQuad(at: usize, firstTwo: v128, lastTwo: v128): v128 {
  const first = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  const last = i8x16(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const four = v128.load(at);
  return i32x4.add(
    i32x4.dot_i16x8_s(i8x16.swizzle(four, first), firstTwo),
    i32x4.dot_i16x8_s(i8x16.swizzle(four, last), lastTwo),
  );
}

/** Samples an output row where the map is upright, so that all pixels of a column have the same weights. */
function scaleRow(row: i32): void {
  const rowsEnd = tabulateRows(row);
  const end = pixels + ((<usize>width) << 4);
  const step = <usize>quads * QUAD;
  let column = columnTable;
  for (let at = pixels; at < end; at += 16) {
    let sum = f32x4.splat(0);
    let entry = table;
    const columnEnd = column + step;
    do {
      const line = frame + <usize>load<i32>(entry);
      let across = i32x4.splat(0);
      for (let quad = column; quad < columnEnd; quad += QUAD) {
        const firstTwo = v128.load32_splat(quad, 4);
        across = i32x4.add(across, blendQuad(line + <usize>load<i32>(quad), firstTwo, v128.load32_splat(quad, 8)));
      }
      sum = addRow(sum, across, entry);
      entry += ENTRY;
    } while (entry < rowsEnd);
    v128.store(at, sum);
    column = columnEnd;
  }
}

/** As scaleRow where a quad is a column, as most frames need: its weights stay in registers. */
function scaleRowOfQuads(row: i32): void {
  const rowsEnd = tabulateRows(row);
  const end = pixels + ((<usize>width) << 4);
  let quad = columnTable;
  for (let at = pixels; at < end; at += 16) {
    const start = frame + <usize>load<i32>(quad);
    const firstTwo = v128.load32_splat(quad, 4);
    const lastTwo = v128.load32_splat(quad, 8);
    let sum = f32x4.splat(0);
    let entry = table;
    do {
      sum = addRow(sum, blendQuad(start + <usize>load<i32>(entry), firstTwo, lastTwo), entry);
      entry += ENTRY;
    } while (entry < rowsEnd);
    v128.store(at, sum);
    quad += QUAD;
  }
}

/** Whether an output row shows pixels of the frame as they are. */
function isWithin(row: i32): bool {
  const y = <f64>row + f;
  const whole = a == 1 && e == 1 && c == floor(c) && f == floor(f);
  return whole && c >= 0 && c + <f64>(width - 1) <= <f64>lastX && y >= 0 && y <= <f64>lastY;
}

/** Each pixel's bytes as four floats. */
function copyRow(row: i32): void {
  const end = pixels + ((<usize>width) << 4);
  let from = frame + <usize>((row + <i32>f) * stride + <i32>c * 3);
  for (let at = pixels; at < end; at += 64) {
    const four = v128.load(from);
    const first = i8x16.swizzle(four, i8x16(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1));
    const second = i8x16.swizzle(four, i8x16(3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1));
    const third = i8x16.swizzle(four, i8x16(6, -1, -1, -1, 7, -1, -1, -1, 8, -1, -1, -1, -1, -1, -1, -1));
    const fourth = i8x16.swizzle(four, i8x16(9, -1, -1, -1, 10, -1, -1, -1, 11, -1, -1, -1, -1, -1, -1, -1));
    v128.store(at, f32x4.convert_i32x4_s(first));
    v128.store(at, f32x4.convert_i32x4_s(second), 16);
    v128.store(at, f32x4.convert_i32x4_s(third), 32);
    v128.store(at, f32x4.convert_i32x4_s(fourth), 48);
    from += 12;
  }
}

/** Where the samples of an output pixel lie in the frame, from where its centre lies. */
function tabulateTaps(): void {
  let at = table;
  for (let j = 0; j < taps; j++) {
    for (let i = 0; i < taps; i++) {
      store<f32>(at, <f32>(a * offsetOf(i) + b * offsetOf(j)));
      store<f32>(at, <f32>(d * offsetOf(i) + e * offsetOf(j)), 4);
      at += ENTRY;
    }
  }
}

/** Added to a number below 2²², this leaves the nearest whole number in the lowest bits: 1.5 · 2²³, and its bits. */
const WHOLE: f32 = 12582912;
const WHOLE_BITS: i32 = 0x4b400000;

/** The nearest whole numbers, of magnitudes below 2²². */
export function toWhole(values: v128): v128 {
  return i32x4.sub(f32x4.add(values, f32x4.splat(WHOLE)), i32x4.splat(WHOLE_BITS));
}

/**
 * Samples an output row of any map, four pixels at a time. Coordinates are kept from a pixel of the frame near
 * the row's first one, so that single precision suffices in large frames.
 */
function warpRow(row: i32): void {
  const startX = b * <f64>row + c;
  const startY = e * <f64>row + f;
  const originX = <i32>clamp(startX, lastX);
  const originY = <i32>clamp(startY, lastY);
  const x0 = f32x4.splat(<f32>(startX - <f64>originX));
  const y0 = f32x4.splat(<f32>(startY - <f64>originY));
  const leastX = f32x4.splat(<f32>-originX);
  const leastY = f32x4.splat(<f32>-originY);
  const mostX = f32x4.splat(<f32>(lastX - originX));
  const mostY = f32x4.splat(<f32>(lastY - originY));
  const stepX = f32x4.splat(<f32>a);
  const stepY = f32x4.splat(<f32>d);
  const one = f32x4.splat(<f32>ONE);
  const whole = f32x4.splat(WHOLE);
  // What `whole` adds to a place in the frame is taken away here, modulo 2³².
  const origin = <i32>frame + (originY - WHOLE_BITS) * stride + (originX - WHOLE_BITS) * 3;
  const tapsEnd = table + <usize>(taps * taps) * ENTRY;
  const unit = f32x4.splat(1 / (<f32>ONE * <f32>(taps * taps)));
  let columns = f32x4(0, 1, 2, 3);
  let at = pixels;
  for (let column = 0; column < width; column += 4) {
    const x4 = f32x4.add(x0, f32x4.mul(columns, stepX));
    const y4 = f32x4.add(y0, f32x4.mul(columns, stepY));
    columns = f32x4.add(columns, f32x4.splat(4));
    let sum0 = i32x4.splat(0);
    let sum1 = i32x4.splat(0);
    let sum2 = i32x4.splat(0);
    let sum3 = i32x4.splat(0);
    let tap = table;
    do {
      const x = clampLanes(f32x4.add(x4, v128.load32_splat(tap)), leastX, mostX);
      const y = clampLanes(f32x4.add(y4, v128.load32_splat(tap, 4)), leastY, mostY);
      const left = f32x4.floor(x);
      const top = f32x4.floor(y);
      const right = f32x4.mul(f32x4.sub(x, left), one);
      const bottom = f32x4.sub(y, top);
      // Three of the four weights are rounded and the fourth is what they leave, so that the sum is exact. The
      // bits of `whole` cancel out in the differences and fall out of the shifts.
      const lowerRight = f32x4.add(f32x4.mul(right, bottom), whole);
      const below = f32x4.add(f32x4.mul(bottom, one), whole);
      const upperRight = i32x4.sub(f32x4.add(right, whole), lowerRight);
      const upperLeft = i32x4.sub(i32x4.sub(i32x4.splat(<i32>ONE + WHOLE_BITS), below), upperRight);
      const upper = i32x4.add(upperLeft, i32x4.shl(upperRight, 16));
      const lower = i32x4.add(i32x4.sub(below, lowerRight), i32x4.shl(lowerRight, 16));
      const index = i32x4.add(
        i32x4.mul(f32x4.add(top, whole), i32x4.splat(stride)),
        i32x4.mul(f32x4.add(left, whole), i32x4.splat(3)),
      );
      sum0 = i32x4.add(sum0, sample(origin + i32x4.extract_lane(index, 0), lane0(upper), lane0(lower)));
      sum1 = i32x4.add(sum1, sample(origin + i32x4.extract_lane(index, 1), lane1(upper), lane1(lower)));
      sum2 = i32x4.add(sum2, sample(origin + i32x4.extract_lane(index, 2), lane2(upper), lane2(lower)));
      sum3 = i32x4.add(sum3, sample(origin + i32x4.extract_lane(index, 3), lane3(upper), lane3(lower)));
      tap += ENTRY;
    } while (tap < tapsEnd);
    v128.store(at, f32x4.mul(f32x4.convert_i32x4_s(sum0), unit));
    v128.store(at, f32x4.mul(f32x4.convert_i32x4_s(sum1), unit), 16);
    v128.store(at, f32x4.mul(f32x4.convert_i32x4_s(sum2), unit), 32);
    v128.store(at, f32x4.mul(f32x4.convert_i32x4_s(sum3), unit), 48);
    at += 64;
  }
}

/** One bilinear sample: where its upper left pixel lies, and the weights of its upper and its lower two pixels. */
function sample(at: i32, upper: v128, lower: v128): v128 {
  return i32x4.add(blend(<usize>at, upper), blend(<usize>(at + stride), lower));
}

/** What is not a number becomes the least. */
function clampLanes(values: v128, least: v128, most: v128): v128 {
  return f32x4.pmin(f32x4.pmax(least, values), most);
}

function lane0(values: v128): v128 {
  return v128.shuffle<i32>(values, values, 0, 0, 0, 0);
}

function lane1(values: v128): v128 {
  return v128.shuffle<i32>(values, values, 1, 1, 1, 1);
}

function lane2(values: v128): v128 {
  return v128.shuffle<i32>(values, values, 2, 2, 2, 2);
}

function lane3(values: v128): v128 {
  return v128.shuffle<i32>(values, values, 3, 3, 3, 3);
}
