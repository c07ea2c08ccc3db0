import { expect, test } from 'vitest';

import { decodeDetections, detectorView, type DetectorFormat, type OutputTensors } from './detector.js';

const input = { width: 320, height: 240, channels: 'rgb', mean: [127], scale: [128] } as const;
const ssd: DetectorFormat = { decoder: 'ssd-decoded', input, fit: 'stretch', scoreThreshold: 0.65, nmsThreshold: 0.4 };
const yunet: DetectorFormat = {
  ...ssd,
  decoder: 'yunet',
  input: { ...input, width: 64, height: 64 },
  fit: 'contain',
  scoreThreshold: 0.6,
};

const floats = (...values: number[]) => Float32Array.from(values);

test('decoded SSD boxes are scaled to the frame, filtered by score and suppressed', () => {
  const outputs: OutputTensors = {
    scores: { data: floats(0.1, 0.9, 0.2, 0.8, 0.5, 0.5, 0.01, 0.99), shape: [1, 4, 2] },
    boxes: {
      data: floats(0.1, 0.1, 0.3, 0.5, 0.11, 0.1, 0.3, 0.5, 0.6, 0.6, 0.7, 0.7, 0.5, 0.5, 0.75, 1),
      shape: [1, 4, 4],
    },
  };
  const found = decodeDetections(outputs, ssd, detectorView({ width: 1000, height: 500 }, ssd));
  expect(found.map(({ score }) => Math.round(score * 100))).toEqual([99, 90]);
  expect(found[0]?.box).toEqual({ x: 500, y: 250, width: 250, height: 250 });
  expect(found[1]?.box.x).toBeCloseTo(100, 3);
  expect(found[1]?.box.height).toBeCloseTo(200, 3);
});

test('YuNet boxes come from the grid of each stride, in a frame that keeps its shape', () => {
  const outputs: Record<string, { data: Float32Array; shape: number[] }> = {};
  for (const [stride, cells] of [
    [8, 64],
    [16, 16],
    [32, 4],
  ] as const) {
    outputs[`cls_${stride}`] = { data: new Float32Array(cells), shape: [1, cells, 1] };
    outputs[`obj_${stride}`] = { data: new Float32Array(cells), shape: [1, cells, 1] };
    outputs[`bbox_${stride}`] = { data: new Float32Array(cells * 4), shape: [1, cells, 4] };
  }
  const cell = 6; // column 2, row 1 of the four by four cells of stride 16
  outputs.cls_16!.data[cell] = 0.9;
  outputs.obj_16!.data[cell] = 0.5;
  outputs.bbox_16!.data.set([0.5, 0.25, Math.log(2), Math.log(1.5)], cell * 4);
  const view = detectorView({ width: 128, height: 96 }, yunet);
  expect(view).toEqual({ x: 0, y: 0, width: 128, height: 128 });
  const [face, ...more] = decodeDetections(outputs, yunet, view);
  expect(more).toEqual([]);
  expect(face?.score).toBeCloseTo(Math.sqrt(0.45), 5);
  // centre (40, 20) and size 32 × 24 in the input, twice that in the frame
  expect(face?.box.x).toBeCloseTo(48, 4);
  expect(face?.box.y).toBeCloseTo(16, 4);
  expect(face?.box.width).toBeCloseTo(64, 4);
  expect(face?.box.height).toBeCloseTo(48, 4);
});

test('outputs of another model are refused', () => {
  const scores = { data: floats(0.1, 0.9), shape: [1, 1, 2] };
  const view = { x: 0, y: 0, width: 1, height: 1 };
  for (const outputs of [
    {},
    { scores },
    { scores, boxes: { data: floats(0, 0), shape: [1, 1, 2] } },
    { scores, boxes: { data: floats(0, 0, 1, 1, 0, 0, 1, 1), shape: [1, 2, 4] } },
  ] as OutputTensors[]) {
    expect(() => decodeDetections(outputs, ssd, view)).toThrow(expect.objectContaining({ code: 'MODEL.INVALID' }));
  }
  expect(() => decodeDetections({ scores }, yunet, view)).toThrow(expect.objectContaining({ code: 'MODEL.INVALID' }));
});

test('a candidate that is not a number is no face', () => {
  const outputs: OutputTensors = {
    scores: { data: floats(0, Number.NaN, 0, 0.9), shape: [1, 2, 2] },
    boxes: { data: floats(0, 0, 1, 1, Number.NaN, 0, 1, 1), shape: [1, 2, 4] },
  };
  expect(decodeDetections(outputs, ssd, { x: 0, y: 0, width: 10, height: 10 })).toEqual([]);
});
