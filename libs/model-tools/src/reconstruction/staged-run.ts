import { create } from '@bufbuild/protobuf';
import {
  TensorProto_DataType,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
  type ValueInfoProto,
} from 'onnx-buf';

import { observeActivations, type ActivationRun } from '../activations.js';
import type { InputSet } from '../augmentations.js';
import type { OnnxModel } from '../graph.js';
import { writeModel } from '../model-file.js';
import { stripUnused } from '../passes/strip-unused.js';
import type { ProofInput, ProofTensor } from '../run-model.js';

type Visit = ActivationRun['visit'];

const nothing: ProofTensor = { shape: [0], values: new Float32Array() };

/**
 * Runs a model, part by part, on the same inputs again and again: from the last value that all paths go through
 * and that is small enough to be kept for all inputs. The model may change behind that value, not before it.
 */
export class StagedRun {
  readonly #inputs: InputSet;
  readonly #limit: number;
  #stage: { readonly value: string; readonly node: number; readonly tensors: readonly ProofTensor[] } | undefined;

  /** @param limit bytes of values to be kept, at most */
  constructor(inputs: InputSet, limit: number) {
    this.#inputs = inputs;
    this.#limit = limit;
  }

  get size(): number {
    return this.#inputs.size;
  }

  /** Shows the visitor what the values are for each input. They must be computable from the value kept. */
  async observe(model: OnnxModel, values: readonly string[], visit: Visit, signal?: AbortSignal): Promise<void> {
    const given = this.#stage ? [this.#stage.value] : model.inputs.map(({ name }) => name);
    const computed = values.filter((value) => !given.includes(value));
    if (computed.length > 0) {
      const segment = writeModel(segmentOf(model, this.#stage?.value, computed));
      await observeActivations(segment, { values, inputs: this.#all(), visit, signal });
      return;
    }
    let index = 0;
    for (const input of this.#all()) {
      signal?.throwIfAborted();
      const tensors = values.map((value) => [value, input[given.indexOf(value)] ?? nothing] as const);
      await visit(new Map(tensors), index++);
    }
  }

  /** Moves the kept value as near to the node of this number as it can be; nodes before will not change any more. */
  async advance(model: OnnxModel, node: number, signal?: AbortSignal): Promise<void> {
    for (const { value, node: at } of bottlenecks(model).toReversed()) {
      if (at >= node) continue;
      if (at <= (this.#stage?.node ?? -1)) return;
      const tensors = await this.#collect(model, value, signal);
      if (tensors === undefined) continue;
      this.#stage = { value, node: at, tensors };
      return;
    }
  }

  /** Undefined when they are more than may be kept. */
  async #collect(model: OnnxModel, value: string, signal?: AbortSignal): Promise<readonly ProofTensor[] | undefined> {
    const segment = writeModel(segmentOf(model, this.#stage?.value, [value]));
    const tensors: ProofTensor[] = [];
    const visit: Visit = (seen) => {
      const tensor = seen.get(value);
      if (tensor) tensors.push(tensor);
    };
    await observeActivations(segment, { values: [value], inputs: [this.#at(0)], visit, signal });
    const bytes = (tensors.pop()?.values.byteLength ?? 0) * this.size;
    if (bytes > this.#limit) return undefined;
    await observeActivations(segment, { values: [value], inputs: this.#all(), visit, signal });
    return tensors;
  }

  *#all(): Generator<ProofInput> {
    for (let index = 0; index < this.size; index++) yield this.#at(index);
  }

  #at(index: number): ProofInput {
    if (this.#stage === undefined) return this.#inputs.at(index);
    const tensor = this.#stage.tensors[index];
    return tensor ? [tensor] : [];
  }
}

/** The part of a model that makes values out of one value, or of the model's inputs. */
function segmentOf(model: OnnxModel, from: string | undefined, values: readonly string[]): OnnxModel {
  const whole = { ...model, outputs: values.map(floatValue) };
  if (from === undefined) return stripUnused.apply(whole).model;
  const nodes = model.nodes.filter(({ outputs }) => !outputs.includes(from));
  return stripUnused.apply({ ...whole, nodes, inputs: [floatValue(from)] }).model;
}

/** Values that everything behind them depends on alone, with the number of the node that makes each. */
function bottlenecks(model: OnnxModel): readonly { readonly value: string; readonly node: number }[] {
  const isComputed = (name: string): boolean => name !== '' && !model.constants.has(name);
  const lastUse = new Map<string, number>();
  model.nodes.forEach(({ inputs }, index) => {
    for (const input of inputs) if (isComputed(input)) lastUse.set(input, index);
  });
  for (const { name } of model.outputs) lastUse.set(name, model.nodes.length);
  // A value that is dequantised is of integers, and cannot be an input here.
  const integers = new Set(
    model.nodes.filter(({ opType }) => opType === 'DequantizeLinear').map(({ inputs }) => inputs[0]),
  );
  const alive = new Set(model.inputs.map(({ name }) => name));
  return model.nodes.flatMap(({ outputs }, node) => {
    for (const output of outputs) alive.add(output);
    for (const value of alive) if ((lastUse.get(value) ?? -1) <= node) alive.delete(value);
    const [value, ...others] = alive;
    const isCut = value !== undefined && others.length === 0 && outputs.includes(value) && !integers.has(value);
    return isCut ? [{ value, node }] : [];
  });
}

function floatValue(name: string): ValueInfoProto {
  const tensorType = create(TypeProto_TensorSchema, { elemType: TensorProto_DataType.FLOAT });
  const type = create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType } });
  return create(ValueInfoProtoSchema, { name, type });
}
