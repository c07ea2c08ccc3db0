import { freshName, indexGraph, type GraphIndex, type GraphNode, type OnnxModel } from './graph.js';
import type { FloatTensor, IntegerTensor, Tensor } from './tensor.js';

/** A model under a pass's hands. The model that it began with stays as it was. */
export class GraphDraft {
  #model: OnnxModel;
  #index: GraphIndex | undefined;

  constructor(model: OnnxModel) {
    this.#model = model;
  }

  get model(): OnnxModel {
    return this.#model;
  }

  get nodes(): readonly GraphNode[] {
    return this.#model.nodes;
  }

  /** Of the graph as it is now. */
  get index(): GraphIndex {
    return (this.#index ??= indexGraph(this.#model));
  }

  floats(name: string | undefined): FloatTensor | undefined {
    const found = name === undefined ? undefined : this.#model.constants.get(name);
    return found?.kind === 'float32' ? found : undefined;
  }

  integers(name: string | undefined): IntegerTensor | undefined {
    const found = name === undefined ? undefined : this.#model.constants.get(name);
    return found?.kind === 'int64' ? found : undefined;
  }

  /** Adds a constant; its name. */
  addConstant(base: string, suffix: string, tensor: Tensor): string {
    const name = freshName(this.#model, base, suffix);
    this.setConstant(name, tensor);
    return name;
  }

  setConstant(name: string, tensor: Tensor): void {
    this.#model = { ...this.#model, constants: new Map(this.#model.constants).set(name, tensor) };
  }

  /** A name for a value that a new node computes. */
  freshName(base: string, suffix: string): string {
    return freshName(this.#model, base, suffix);
  }

  /** Puts any number of nodes into the place of one. */
  replace(node: GraphNode, ...replacement: readonly GraphNode[]): void {
    this.#setNodes(this.nodes.flatMap((other) => (other === node ? replacement : [other])));
  }

  /** Makes every node that reads a value read another one. */
  redirect(from: string, to: string): void {
    const renamed = (value: string): string => (value === from ? to : value);
    this.#setNodes(
      this.nodes.map((node) => (node.inputs.includes(from) ? { ...node, inputs: node.inputs.map(renamed) } : node)),
    );
  }

  /** Whether a value is read by this node alone, and by nobody outside. */
  isReadOnlyBy(value: string, node: GraphNode): boolean {
    const readers = this.index.consumers(value);
    return !this.index.isOutput(value) && readers.length === 1 && readers[0] === node;
  }

  #setNodes(nodes: readonly GraphNode[]): void {
    this.#model = { ...this.#model, nodes };
    this.#index = undefined;
  }
}
