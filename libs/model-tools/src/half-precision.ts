import { create } from '@bufbuild/protobuf';
import { AppError, numberToHalf } from '@sightline/kernel';
import { TensorProto_DataType, TensorProtoSchema } from 'onnx-buf';

import { integerAttributes } from './attributes.js';
import type { GraphNode } from './graph.js';
import { GraphDraft } from './graph-draft.js';
import { readModel, writeModel } from './model-file.js';
import type { FloatTensor, OtherTensor } from './tensor.js';

export interface HalfPrecisionReport {
  /** Constants that are stored as float16, and their elements. */
  readonly tensors: number;
  readonly elements: number;
  /** Elements of the float32 constants that stay as they are: too few in one, or beyond what float16 holds. */
  readonly elementsLeft: number;
}

export interface HalfPrecisionModel {
  readonly bytes: Uint8Array;
  readonly report: HalfPrecisionReport;
}

/** A Cast and its names take about this many bytes, and a float16 saves two: smaller constants would grow. */
const FEWEST_ELEMENTS = 48;
/** The largest finite float16. */
const LARGEST = 65_504;
/** The first operator set whose Cast knows float16 and float32 by number. */
const OLDEST_OPSET = 6;

/**
 * Stores a model's weights as float16, with a Cast of each to float32. ONNX Runtime folds the Casts when it opens
 * the model: half the bytes, and the same arithmetic as before in the same time. The same model gives the same bytes.
 *
 * @param model an ONNX file
 * @throws AppError `MODEL.INVALID` when the bytes are no ONNX model, `MODEL.NOT_OPTIMISABLE` when nothing in it
 *   can be stored so
 */
export function storeInHalfPrecision(model: Uint8Array): HalfPrecisionModel {
  const source = readModel(model);
  const draft = new GraphDraft(source);
  const casts: GraphNode[] = [];
  const report = { tensors: 0, elements: 0, elementsLeft: 0 };
  const outputs = new Set(source.outputs.map(({ name }) => name));
  const constants = new Map(source.constants);
  for (const [name, tensor] of source.constants) {
    if (tensor.kind !== 'float32') continue;
    if (outputs.has(name) || !pays(tensor)) {
      report.elementsLeft += tensor.values.length;
      continue;
    }
    const stored = draft.freshName(name, 'h');
    constants.delete(name);
    constants.set(stored, halfTensor(tensor));
    casts.push(castToFloat(stored, name));
    report.tensors += 1;
    report.elements += tensor.values.length;
  }
  if (casts.length === 0 || source.opset < OLDEST_OPSET) {
    throw new AppError('MODEL.NOT_OPTIMISABLE', 'No weights of the model can be stored as float16.');
  }
  return { bytes: writeModel({ ...source, constants, nodes: [...casts, ...source.nodes] }), report };
}

function pays({ values }: FloatTensor): boolean {
  return values.length >= FEWEST_ELEMENTS && values.every((value) => Math.abs(value) <= LARGEST);
}

function castToFloat(input: string, output: string): GraphNode {
  const attributes = integerAttributes({ to: TensorProto_DataType.FLOAT });
  return { opType: 'Cast', domain: '', name: '', inputs: [input], outputs: [output], attributes };
}

function halfTensor({ dims, values }: FloatTensor): OtherTensor {
  const view = new DataView(new ArrayBuffer(values.length * 2));
  values.forEach((value, index) => {
    view.setUint16(index * 2, numberToHalf(value), true);
  });
  const proto = create(TensorProtoSchema, {
    dims: dims.map(BigInt),
    dataType: TensorProto_DataType.FLOAT16,
    rawData: new Uint8Array(view.buffer),
  });
  return { kind: 'other', dims, proto };
}
