import { beforeAll, expect, test } from 'vitest';

import { assertAgreement, measureAgreement } from './agreement.js';
import { readModel, writeModel } from './model-file.js';
import { pruneModel, type PrunedModel } from './pruning.js';
import { reconstructModel } from './reconstruction.js';
import { redundantInputs, redundantModel } from './testing/redundant-model.js';

const source = writeModel(redundantModel());
const inputs = redundantInputs(30);
const unseen = redundantInputs(60).slice(30);
const bytes = source.length - 16 * (27 + 9 + 16) * 4;
let pruned: PrunedModel;

beforeAll(async () => {
  pruned = await pruneModel(source, { inputs, bytes });
});

test('whole channels go, from where they are missed the least, until the file is small enough', () => {
  const { report, channels } = pruned;
  expect(report.bytes).toEqual({ before: source.length, after: pruned.bytes.length });
  expect(report.bytes.after).toBeLessThanOrEqual(bytes);
  expect(report.spaces).toMatchObject([{ space: 'a', before: 48, after: 32 }]);
  // The surgeon takes one of each pair of dependent channels.
  const kept = channels.get('b') ?? [];
  for (let channel = 0; channel < 16; channel++) {
    expect([channel, channel + 32].filter((one) => kept.includes(one))).toHaveLength(1);
  }
  expect(report.spaces[0]?.harm).toBeLessThan(1e-3);
});

test('a pruned model without repair falls below the gate, and a reconstructed one passes', async () => {
  const gate = { mean: 0.999, p1: 0.99 };
  expect(() => assertAgreement(pruned.report.agreement, gate)).toThrow(
    expect.objectContaining({ code: 'MODEL.BELOW_GATE' }),
  );
  const seen: number[] = [];
  const { bytes: repaired, report } = await reconstructModel(pruned.bytes, {
    teacher: source,
    inputs,
    channels: pruned.channels,
    onProgress: (done) => seen.push(done),
  });
  expect(seen).toEqual([1, 2, 3, 4]);
  expect(report.learnedFrom).toBe(48);
  expect(report.before.outputs).toEqual(pruned.report.agreement.outputs);
  assertAgreement(report.after, gate);
  assertAgreement(await measureAgreement(source, repaired, unseen), gate);
  // The same graph, and not a weight more.
  expect(repaired.length).toBe(pruned.bytes.length);
  expect(readModel(repaired).nodes).toEqual(readModel(pruned.bytes).nodes);
});

test('the same inputs give the same bytes', async () => {
  const again = await pruneModel(source, { inputs, bytes });
  expect(Buffer.compare(again.bytes, pruned.bytes)).toBe(0);
  const options = { teacher: source, inputs, channels: pruned.channels, memory: 0 };
  const [one, other] = [await reconstructModel(pruned.bytes, options), await reconstructModel(pruned.bytes, options)];
  expect(Buffer.compare(one.bytes, other.bytes)).toBe(0);
});

test('what a model cannot lose, and too few inputs, are refused; an abort ends the work', async () => {
  const code = 'MODEL.NOT_OPTIMISABLE';
  await expect(pruneModel(source, { inputs, bytes: 1000 })).rejects.toMatchObject({ code });
  await expect(pruneModel(source, { inputs: inputs.slice(0, 9), bytes })).rejects.toMatchObject({ code });
  const few = { teacher: source, inputs: inputs.slice(0, 9) };
  await expect(reconstructModel(source, few)).rejects.toMatchObject({ code });
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(pruneModel(source, { inputs, bytes, signal })).rejects.toThrow('enough');
  await expect(reconstructModel(source, { teacher: source, inputs, signal })).rejects.toThrow('enough');
});

test('a student of another model is refused', async () => {
  const model = redundantModel();
  const renamed = {
    ...model,
    nodes: model.nodes.map((one) => (one.outputs[0] === 'a' ? { ...one, outputs: ['other'] } : one)),
  };
  const student = writeModel({
    ...renamed,
    nodes: renamed.nodes.map((one) => (one.outputs[0] === 'ar' ? { ...one, inputs: ['other'] } : one)),
  });
  await expect(reconstructModel(student, { teacher: source, inputs })).rejects.toMatchObject({
    code: 'MODEL.NOT_OPTIMISABLE',
    details: { value: 'other' },
  });
});
