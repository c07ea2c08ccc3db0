import { create } from '@bufbuild/protobuf';
import { AppError } from '@sightline/kernel';
import { TensorProto_DataLocation, TensorProto_DataType, TensorProtoSchema, type TensorProto } from 'onnx-buf';

// A tensor's element type is a plain number in the file.
const FLOAT: number = TensorProto_DataType.FLOAT;
const INT64: number = TensorProto_DataType.INT64;

export interface FloatTensor {
  readonly kind: 'float32';
  readonly dims: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

export interface IntegerTensor {
  readonly kind: 'int64';
  readonly dims: readonly number[];
  readonly values: readonly bigint[];
}

/** Of an element type that no pass looks into. */
export interface OtherTensor {
  readonly kind: 'other';
  readonly dims: readonly number[];
  readonly proto: TensorProto;
}

/** A constant of a graph. */
export type Tensor = FloatTensor | IntegerTensor | OtherTensor;

export function floatTensor(dims: readonly number[], values: Float32Array | readonly number[]): FloatTensor {
  return { kind: 'float32', dims, values: Float32Array.from(values) };
}

export function integerTensor(dims: readonly number[], values: readonly bigint[]): IntegerTensor {
  return { kind: 'int64', dims, values };
}

/** How many elements a shape has; 1 for a scalar's empty shape. */
export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** @throws AppError `MODEL.INVALID` when its data lie in another file, or are not as many as its shape says */
export function decodeTensor(proto: TensorProto): Tensor {
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL || proto.externalData.length > 0) {
    throw new AppError('MODEL.INVALID', 'A tensor of the model keeps its data in another file.');
  }
  const dims = proto.dims.map(Number);
  if (proto.dataType === FLOAT) {
    const values = proto.rawData.length > 0 ? floatsOf(proto.rawData) : Float32Array.from(proto.floatData);
    return checked({ kind: 'float32', dims, values });
  }
  if (proto.dataType === INT64) {
    return checked({
      kind: 'int64',
      dims,
      values: proto.rawData.length > 0 ? integersOf(proto.rawData) : proto.int64Data,
    });
  }
  return { kind: 'other', dims, proto };
}

export function encodeTensor(name: string, tensor: Tensor): TensorProto {
  if (tensor.kind === 'other') return { ...tensor.proto, name };
  const isFloat = tensor.kind === 'float32';
  return create(TensorProtoSchema, {
    name,
    dims: tensor.dims.map(BigInt),
    dataType: isFloat ? FLOAT : INT64,
    rawData: isFloat ? bytesOfFloats(tensor.values) : bytesOfIntegers(tensor.values),
  });
}

// ONNX's raw data are little-endian whatever the machine is.

function floatsOf(raw: Uint8Array): Float32Array {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Float32Array.from({ length: Math.floor(raw.length / 4) }, (_, index) => view.getFloat32(index * 4, true));
}

function integersOf(raw: Uint8Array): bigint[] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Array.from({ length: Math.floor(raw.length / 8) }, (_, index) => view.getBigInt64(index * 8, true));
}

function bytesOfFloats(values: Float32Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => view.setFloat32(index * 4, value, true));
  return new Uint8Array(view.buffer);
}

function bytesOfIntegers(values: readonly bigint[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  values.forEach((value, index) => view.setBigInt64(index * 8, value, true));
  return new Uint8Array(view.buffer);
}

function checked<Kind extends FloatTensor | IntegerTensor>(tensor: Kind): Kind {
  if (tensor.dims.some((dim) => dim < 0) || tensor.values.length !== sizeOf(tensor.dims)) {
    throw new AppError('MODEL.INVALID', 'A tensor of the model has another number of elements than its shape.', {
      details: { shape: tensor.dims.join('×'), elements: tensor.values.length },
    });
  }
  return tensor;
}
