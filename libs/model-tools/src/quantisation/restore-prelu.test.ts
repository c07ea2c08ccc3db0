import fc from 'fast-check';
import { expect, test } from 'vitest';

import { rewritePrelu } from '../passes/rewrite-prelu.js';
import { floatTensor } from '../tensor.js';
import { answerOf, conv, differenceOf, modelOf, node, noise } from '../testing/small-models.js';
import { restorePrelu } from './restore-prelu.js';

const CHANNELS = 4;
const input = noise([1, 3, 5, 5], 5);

function net(slopes: readonly number[], readers = [conv('z', 'm')], output = 'm') {
  return modelOf({
    input: [1, 3, 5, 5],
    nodes: [conv('x', 'y'), node('PRelu', ['y', 'slopes'], ['z']), ...readers],
    constants: {
      slopes: floatTensor([CHANNELS, 1, 1], slopes),
      'y.w': noise([CHANNELS, 3, 1, 1], 1),
      'y.b': noise([CHANNELS], 2),
      'm.w': noise([2, CHANNELS, 1, 1], 3),
      'm.b': noise([2], 4),
    },
    outputs: { [output]: [1, 'c', 5, 5] },
  });
}

test('whatever the slopes were, PRelu comes back with slopes from −1 to 1, and the answer stays', async () => {
  const slope = fc.float({ min: -3, max: 3, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.array(slope, { minLength: CHANNELS, maxLength: CHANNELS }), async (slopes) => {
      const before = net(slopes);
      const restored = restorePrelu(rewritePrelu.apply(before).model);
      expect(restored.nodes.map(({ opType }) => opType)).toEqual(['Conv', 'PRelu', 'Conv']);
      const name = restored.nodes[1]?.inputs[1] ?? '';
      const found = restored.constants.get(name);
      expect(found?.kind === 'float32' && found.values.every((value) => Math.abs(value) <= 1)).toBe(true);
      expect(differenceOf(await answerOf(before, input), await answerOf(restored, input))).toBeLessThan(2e-5);
    }),
    { numRuns: 20 },
  );
});

test('a sum whose parts are read by others too, or that only looks like a PRelu, is left alone', () => {
  const { model } = rewritePrelu.apply(net([0.1, 0.2, 0.3, 0.4]));
  const [, relu, linear] = model.nodes;
  const seen = { ...model, nodes: [...model.nodes, node('Tanh', [relu?.outputs[0] ?? ''], ['t'])] };
  expect(restorePrelu(seen).nodes).toEqual(seen.nodes);
  const other = { ...linear, inputs: ['q', linear?.inputs[1] ?? ''] };
  const nodes = model.nodes.map((one) => (one === linear ? { ...one, ...other } : one));
  expect(restorePrelu({ ...model, nodes }).nodes).toEqual(nodes);
});
