// The scan's ONNX graph, written by hand: one node, so that no protobuf library is needed. Field numbers are
// those of onnx.proto (IR version 8).

const tensorTypes = { uint8: 2, int8: 3, int32: 6 } as const;
type TensorType = keyof typeof tensorTypes;

/**
 * `products[rows, probes] (int32) = rows[rows, dimension] (uint8) · probes[dimension, probes] (int8)`.
 *
 * @returns the bytes of an ONNX file
 */
export function matmulModel(): Uint8Array {
  const node = [...text(1, 'rows'), ...text(1, 'probes'), ...text(2, 'products'), ...text(4, 'MatMulInteger')];
  const graph = [
    ...message(1, node),
    ...text(2, 'scan'),
    ...message(11, valueInfo('rows', 'uint8', ['rows', 'dimension'])),
    ...message(11, valueInfo('probes', 'int8', ['dimension', 'probes'])),
    ...message(12, valueInfo('products', 'int32', ['rows', 'probes'])),
  ];
  const operatorSet = integer(2, 13);
  return Uint8Array.from([...integer(1, 8), ...message(7, graph), ...message(8, operatorSet)]);
}

function valueInfo(name: string, type: TensorType, shape: readonly string[]): number[] {
  const dimensions = shape.flatMap((symbol) => message(1, text(2, symbol)));
  const tensor = [...integer(1, tensorTypes[type]), ...message(2, dimensions)];
  return [...text(1, name), ...message(2, message(1, tensor))];
}

function message(field: number, bytes: readonly number[]): number[] {
  return [...varint((field << 3) | 2), ...varint(bytes.length), ...bytes];
}

function text(field: number, value: string): number[] {
  return message(field, [...new TextEncoder().encode(value)]);
}

function integer(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)];
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
