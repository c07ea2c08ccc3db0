import { describe, expect, it } from 'vitest';

import type { Detection } from './boxes.js';
import { detectorLooks, mergeLooks } from './detector-tiles.js';
import type { DetectorFormat } from './detector.js';

const format: DetectorFormat = {
  decoder: 'ssd-decoded',
  input: { width: 320, height: 240, channels: 'rgb', mean: [0], scale: [1] },
  fit: 'stretch',
  scoreThreshold: 0.6,
  nmsThreshold: 0.4,
};
const frame = { width: 1000, height: 600 };
const face = (x: number, y: number, size: number, score = 0.9): Detection => ({
  box: { x, y, width: size, height: size },
  score,
});

describe('the looks at a wide scene', () => {
  it('are one at the whole, and with tiles one at each of them besides', () => {
    const whole = { x: 0, y: 0, width: 1000, height: 600 };
    expect(detectorLooks(frame, format)).toEqual([{ region: whole, view: whole }]);
    expect(detectorLooks(frame, format, { columns: 1, rows: 1, overlap: 0.2 })).toHaveLength(1);
    const looks = detectorLooks(frame, format, { columns: 2, rows: 2, overlap: 0.25 });
    expect(looks.map(({ region }) => [region.x, region.y].map(Math.round))).toEqual([
      [0, 0],
      [0, 0],
      [429, 0],
      [0, 257],
      [429, 257],
    ]);
    const last = looks[4]!.region;
    expect(last.x + last.width).toBeCloseTo(1000);
    expect(last.y + last.height).toBeCloseTo(600);
  });

  it('keep the proportions of a tile where the detector wants them', () => {
    const [, tile] = detectorLooks(frame, { ...format, fit: 'contain' }, { columns: 2, rows: 1, overlap: 0 });
    expect(tile?.region).toEqual({ x: 0, y: 0, width: 500, height: 600 });
    expect(tile?.view).toEqual({ x: 0, y: 0, width: 800, height: 600 });
  });

  it('yield one box for a face that several of them show', () => {
    const [whole, left, right] = detectorLooks(frame, format, { columns: 2, rows: 1, overlap: 0.2 });
    const merged = mergeLooks(
      [
        { region: whole!.region, detections: [face(480, 100, 60, 0.8)] },
        { region: left!.region, detections: [face(482, 98, 60, 0.95)] },
        { region: right!.region, detections: [face(478, 103, 58, 0.9)] },
      ],
      frame,
      0.4,
    );
    expect(merged).toEqual([face(482, 98, 60, 0.95)]);
  });

  it('leave out what a seam cut, and keep what the edge of the frame cuts', () => {
    const [whole, left] = detectorLooks(frame, format, { columns: 2, rows: 1, overlap: 0.2 });
    const seam = left!.region.x + left!.region.width;
    const merged = mergeLooks(
      [
        { region: whole!.region, detections: [face(950, 10, 80, 0.7)] },
        { region: left!.region, detections: [face(seam - 40, 100, 41), face(-20, 300, 50)] },
      ],
      frame,
      0.4,
    );
    expect(merged).toEqual([face(-20, 300, 50), face(950, 10, 80, 0.7)]);
  });

  it('do not take a part of a near face for another', () => {
    const [whole, left] = detectorLooks(frame, format, { columns: 2, rows: 1, overlap: 0.2 });
    const merged = mergeLooks(
      [
        { region: whole!.region, detections: [face(100, 100, 300)] },
        { region: left!.region, detections: [face(150, 150, 80, 0.7), face(410, 110, 60, 0.7)] },
      ],
      frame,
      0.4,
    );
    expect(merged).toEqual([face(100, 100, 300), face(410, 110, 60, 0.7)]);
  });
});
