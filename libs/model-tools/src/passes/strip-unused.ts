import type { GraphNode } from '../graph.js';
import type { Pass } from './pass.js';

/** Leaves out what nothing uses: nodes, constants, and operator sets that were imported for no node. */
export const stripUnused: Pass = {
  name: 'strip-unused',
  scope: 'graph',
  apply: (model) => {
    const needed = new Set(model.outputs.map(({ name }) => name));
    const nodes: GraphNode[] = [];
    for (const node of model.nodes.toReversed()) {
      if (!node.outputs.some((output) => needed.has(output))) continue;
      nodes.unshift(node);
      for (const input of node.inputs) needed.add(input);
    }
    const constants = new Map([...model.constants].filter(([name]) => needed.has(name)));
    const domains = new Set(nodes.map(({ domain }) => domain));
    const otherOpsets = new Map([...model.otherOpsets].filter(([domain]) => domains.has(domain)));
    return {
      model: { ...model, nodes, constants, otherOpsets },
      counts: {
        nodes: model.nodes.length - nodes.length,
        constants: model.constants.size - constants.size,
        operatorSets: model.otherOpsets.size - otherOpsets.size,
      },
    };
  },
};
