import { integerAttribute, integerAttributes } from '../attributes.js';
import type { GraphNode, OnnxModel } from '../graph.js';
import { floatTensor, type FloatTensor, type Tensor } from '../tensor.js';
import { codeOf, type Code, type Range } from './code.js';
import { computedInputs, type IntegerOperation, type IntegerPlan } from './integer-plan.js';
import { quantiseWeights } from './quantise-weights.js';
import { int32Tensor, int8Tensor, uint8Tensor } from './quantised-tensors.js';

interface Insertion {
  readonly plan: IntegerPlan;
  /** Of each value that has a code of its own. */
  readonly ranges: ReadonlyMap<string, Range>;
  readonly weightBits: 7 | 8;
}

/**
 * Writes a plan into the graph, in ONNX's QDQ form: every coded value is quantised and dequantised (QuantizeLinear,
 * DequantizeLinear) where it comes to be, and all that read it read what was dequantised, which is what ONNX Runtime
 * needs to put integer operations into the place of the float ones in between.
 */
export function insertCodes(model: OnnxModel, insertion: Insertion): OnnxModel {
  return new CodedGraph(model, insertion).write();
}

class CodedGraph {
  readonly #source: OnnxModel;
  readonly #plan: IntegerPlan;
  readonly #codes: ReadonlyMap<string, Code>;
  readonly #weightBits: 7 | 8;
  readonly #nodes: GraphNode[] = [];
  readonly #constants: Map<string, Tensor>;
  readonly #names: ReadonlySet<string>;
  /** Coded values: their integers. */
  readonly #integers = new Map<string, string>();
  /** Coded values that a float operation computes, or that are inputs: what was dequantised of them. */
  readonly #dequantised = new Map<string, string>();
  /** Constants that many nodes share, by what they are. */
  readonly #shared = new Map<string, string>();
  #count = 0;

  constructor(model: OnnxModel, { plan, ranges, weightBits }: Insertion) {
    this.#source = model;
    this.#plan = plan;
    this.#weightBits = weightBits;
    this.#constants = new Map(model.constants);
    this.#codes = new Map([...ranges].map(([value, range]) => [value, codeOf(range)]));
    this.#names = new Set([
      ...model.constants.keys(),
      ...model.inputs.map(({ name }) => name),
      ...model.nodes.flatMap(({ outputs }) => outputs),
    ]);
  }

  write(): OnnxModel {
    const { operations } = this.#plan;
    const byNode = new Map([...operations.values()].map((operation) => [operation.node, operation]));
    const limiters = new Set([...operations.values()].map(({ limiter }) => limiter));
    for (const node of this.#source.nodes) {
      const operation = byNode.get(node);
      if (operation !== undefined) this.#writeOperation(operation);
      else if (!limiters.has(node)) this.#nodes.push(node);
    }
    return { ...this.#source, nodes: this.#nodes, constants: this.#constants };
  }

  #writeOperation(operation: IntegerOperation): void {
    const { kind, node, output } = operation;
    const inputs = computedInputs(this.#source, node);
    for (const input of inputs) this.#ensureCoded(input);
    if (kind === 'prelu') {
      this.#writePrelu(operation);
      return;
    }
    const raw = this.#fresh('r');
    const read = node.inputs.map((input) => this.#dequantised.get(input) ?? input);
    const all = kind === 'weighted' ? this.#weightedInputs(operation, read) : read;
    this.#nodes.push({ ...node, name: '', inputs: all, outputs: [raw] });
    this.#quantise(raw, output, this.#codeOfValue(output));
    this.#dequantise(output, output);
  }

  /** PRelu(y) = max(y, slope · y), the second operand quantised as y is: the larger integer is the larger value. */
  #writePrelu({ node, output }: IntegerOperation): void {
    const [input = '', slopeName = ''] = node.inputs;
    const slopes = this.#source.constants.get(slopeName);
    if (slopes?.kind !== 'float32') throw new TypeError('a PRelu without constant slopes was planned');
    const low = Math.min(0, ...slopes.values);
    const code = codeOf({ low, high: Math.max(0, ...slopes.values) });
    const integers = slopes.values.map((slope) => Math.round(slope / code.scale) + code.zeroPoint);
    const coded = this.#constant(uint8Tensor(slopes.dims, integers));
    const floats = this.#fresh('d');
    this.#add('DequantizeLinear', [coded, this.#scale(code), this.#zeroPoint(code)], floats);
    const product = this.#fresh('r');
    this.#add('Mul', [this.#dequantised.get(input) ?? input, floats], product);
    const scaled = this.#fresh('q');
    this.#add('QuantizeLinear', [product, ...this.#constantsOf(this.#codeOfValue(output))], scaled);
    const largest = this.#fresh('q');
    this.#add('Max', [this.#integers.get(input) ?? '', scaled], largest);
    this.#integers.set(output, largest);
    this.#dequantise(output, output);
  }

  /** A layer's data, weights and bias as they are dequantised. */
  #weightedInputs({ node }: IntegerOperation, [data = '']: readonly string[]): readonly string[] {
    const [input = '', weightName = '', biasName = ''] = node.inputs;
    const weights = this.#source.constants.get(weightName);
    const bias = this.#source.constants.get(biasName);
    if (weights?.kind !== 'float32') throw new TypeError('a layer without constant weights was planned');
    const axis = outputAxis(node);
    const { scale } = this.#codeOfValue(input);
    const floatBias = bias?.kind === 'float32' ? bias : undefined;
    const layer = { weights, axis, bias: floatBias, inputScale: scale };
    const { integers, scales, bias: codedBias } = quantiseWeights(layer, this.#weightBits);
    const scalesName = this.#constant(floatTensor([scales.length], scales));
    const perOutput = (name: string, zeros: string, along: number, byScales: string): string => {
      const dequantised = this.#fresh('d');
      const attributes = integerAttributes({ axis: along });
      this.#nodes.push(plainNode('DequantizeLinear', [name, byScales, zeros], dequantised, attributes));
      return dequantised;
    };
    const zeros = this.#sharedConstant(`int8 zeros ${scales.length}`, () =>
      int8Tensor([scales.length], new Int8Array(scales.length)),
    );
    const coded = perOutput(this.#constant(int8Tensor(weights.dims, integers)), zeros, axis, scalesName);
    if (codedBias === undefined) return [data, coded];
    const biasScales = this.#constant(biasScalesOf(scales, scale));
    const biasZeros = this.#sharedConstant(`int32 zeros ${scales.length}`, () =>
      int32Tensor(
        [scales.length],
        Array.from(scales, () => 0),
      ),
    );
    const biasOf = this.#constant(int32Tensor([scales.length], codedBias));
    return [data, coded, perOutput(biasOf, biasZeros, 0, biasScales)];
  }

  /** A value that no integer operation computes is quantised for those that read it. */
  #ensureCoded(value: string): void {
    if (this.#integers.has(value)) return;
    this.#quantise(value, value, this.#codeOfValue(value));
    const dequantised = this.#fresh('d');
    this.#dequantise(value, dequantised);
    this.#dequantised.set(value, dequantised);
  }

  #quantise(raw: string, value: string, code: Code): void {
    const integers = this.#fresh('q');
    this.#add('QuantizeLinear', [raw, ...this.#constantsOf(code)], integers);
    this.#integers.set(value, integers);
  }

  #dequantise(value: string, into: string): void {
    this.#add(
      'DequantizeLinear',
      [this.#integers.get(value) ?? '', ...this.#constantsOf(this.#codeOfValue(value))],
      into,
    );
  }

  #codeOfValue(value: string): Code {
    const code = this.#codes.get(this.#plan.codes.get(value) ?? value);
    if (code === undefined) throw new TypeError(`the value ${value} has no range`);
    return code;
  }

  #constantsOf(code: Code): [string, string] {
    return [this.#scale(code), this.#zeroPoint(code)];
  }

  #scale({ scale }: Code): string {
    return this.#sharedConstant(`scale ${scale}`, () => floatTensor([], [scale]));
  }

  #zeroPoint({ zeroPoint }: Code): string {
    return this.#sharedConstant(`zero point ${zeroPoint}`, () => uint8Tensor([], [zeroPoint]));
  }

  #sharedConstant(key: string, make: () => Tensor): string {
    const name = this.#shared.get(key) ?? this.#constant(make());
    this.#shared.set(key, name);
    return name;
  }

  #constant(tensor: Tensor): string {
    const name = this.#fresh('c');
    this.#constants.set(name, tensor);
    return name;
  }

  #add(opType: string, inputs: readonly string[], output: string): void {
    this.#nodes.push(plainNode(opType, inputs, output));
  }

  /** Short, since a file has hundreds of them. */
  #fresh(prefix: string): string {
    for (;;) {
      const name = `${prefix}${(this.#count++).toString(36)}`;
      if (!this.#names.has(name)) return name;
    }
  }
}

/** The axis of a layer's weights that counts its outputs. */
function outputAxis(node: GraphNode): number {
  if (node.opType === 'Conv') return 0;
  return node.opType === 'Gemm' && integerAttribute(node, 'transB', 0) !== 0 ? 0 : 1;
}

function biasScalesOf(scales: Float32Array, inputScale: number): FloatTensor {
  return floatTensor(
    [scales.length],
    scales.map((scale) => scale * inputScale),
  );
}

function plainNode(
  opType: string,
  inputs: readonly string[],
  output: string,
  attributes: GraphNode['attributes'] = new Map(),
): GraphNode {
  return { opType, domain: '', name: '', inputs, outputs: [output], attributes };
}
