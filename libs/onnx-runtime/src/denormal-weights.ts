/**
 * Weights smaller than this are nothing beside others, and denormal or about to become so when multiplied:
 * arithmetic on such numbers is up to a hundred times slower.
 */
const NEGLIGIBLE = 1e-15;

// Field numbers of onnx.proto.
const MODEL_GRAPH = 7;
const GRAPH_NODE = 1;
const GRAPH_INITIALIZER = 5;
const NODE_ATTRIBUTE = 5;
const ATTRIBUTE_TENSOR = 5;
const TENSOR_DATA_TYPE = 2;
const TENSOR_FLOAT_DATA = 4;
const TENSOR_RAW_DATA = 9;
const FLOAT = 1;

// Wire types of protocol buffers.
const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

interface Field {
  readonly number: number;
  /** The value of a varint field. */
  readonly value: number;
  /** Where the bytes of a length-delimited field lie. */
  readonly start: number;
  readonly end: number;
}

/**
 * A copy of an ONNX model in which negligible float weights are zero; nothing else changes, not even a
 * length. ONNX Runtime's own `set_denormal_as_zero` heeds only the first session of a process, in the thread
 * that opened it: the default embedder took 73 ms a face in any other worker.
 *
 * @returns the model itself when it cannot be read: ONNX Runtime then says what is wrong with it
 */
export function withoutNegligibleWeights(model: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(model);
  try {
    flushModel(new DataView(copy.buffer));
    return copy;
  } catch (error) {
    if (error instanceof RangeError) return model;
    throw error;
  }
}

function flushModel(view: DataView): void {
  for (const graph of submessages(view, 0, view.byteLength, MODEL_GRAPH)) {
    for (const tensor of submessages(view, graph.start, graph.end, GRAPH_INITIALIZER)) flushTensor(view, tensor);
    for (const node of submessages(view, graph.start, graph.end, GRAPH_NODE)) {
      for (const attribute of submessages(view, node.start, node.end, NODE_ATTRIBUTE)) {
        for (const tensor of submessages(view, attribute.start, attribute.end, ATTRIBUTE_TENSOR)) {
          flushTensor(view, tensor);
        }
      }
    }
  }
}

function flushTensor(view: DataView, tensor: Field): void {
  const parts = [...fields(view, tensor.start, tensor.end)];
  if (!parts.some(({ number, value }) => number === TENSOR_DATA_TYPE && value === FLOAT)) return;
  for (const { number, start, end } of parts) {
    if (number !== TENSOR_RAW_DATA && number !== TENSOR_FLOAT_DATA) continue;
    for (let at = start; at + 4 <= end; at += 4) {
      if (Math.abs(view.getFloat32(at, true)) < NEGLIGIBLE) view.setFloat32(at, 0, true);
    }
  }
}

function* submessages(view: DataView, start: number, end: number, number: number): Generator<Field> {
  for (const field of fields(view, start, end)) if (field.number === number) yield field;
}

/** @throws RangeError where the bytes are no protocol buffer */
function* fields(view: DataView, from: number, to: number): Generator<Field> {
  let at = from;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = view.getUint8(at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a varint has at most ten bytes');
  };
  while (at < to) {
    const key = varint();
    const wireType = key % 8;
    const value = wireType === VARINT || wireType === LENGTH_DELIMITED ? varint() : 0;
    const length = lengthOf(wireType, value);
    const start = at;
    at += length;
    if (at > to) throw new RangeError('a field reaches over the end of its message');
    yield { number: Math.floor(key / 8), value, start, end: at };
  }
}

function lengthOf(wireType: number, value: number): number {
  if (wireType === VARINT) return 0;
  if (wireType === LENGTH_DELIMITED) return value;
  if (wireType === FIXED_32) return 4;
  if (wireType === FIXED_64) return 8;
  throw new RangeError('unknown wire type');
}
