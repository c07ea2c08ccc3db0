import { create } from '@bufbuild/protobuf';
import { TensorProto_DataType, TensorProtoSchema } from 'onnx-buf';

import type { OtherTensor } from '../tensor.js';

export function uint8Tensor(dims: readonly number[], values: ArrayLike<number>): OtherTensor {
  return integers(TensorProto_DataType.UINT8, dims, Uint8Array.from(values));
}

export function int8Tensor(dims: readonly number[], values: ArrayLike<number>): OtherTensor {
  return integers(TensorProto_DataType.INT8, dims, new Uint8Array(Int8Array.from(values).buffer));
}

export function int32Tensor(dims: readonly number[], values: readonly number[]): OtherTensor {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => {
    view.setInt32(index * 4, value, true);
  });
  return integers(TensorProto_DataType.INT32, dims, new Uint8Array(view.buffer));
}

function integers(dataType: TensorProto_DataType, dims: readonly number[], raw: Uint8Array<ArrayBuffer>): OtherTensor {
  const proto = create(TensorProtoSchema, { dims: dims.map(BigInt), dataType, rawData: raw });
  return { kind: 'other', dims, proto };
}
