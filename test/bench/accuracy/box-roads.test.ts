import { decodeImage, openRecogniser } from '@sightline/recognition';
import { defaultBundle, samplePhotos } from '@sightline/testing';
import type { Detection } from '@sightline/vision';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

import { BoxRoadPipeline } from './box-roads-pipeline.js';
import { enlarged, fuseBoxes, secondLookAt } from './box-roads.js';

const detection = (x: number, score: number): Detection => ({ score, box: { x, y: 10, width: 100, height: 100 } });

test('a box that is fused is the mean of what it suppresses, by score', () => {
  const candidates = [detection(0, 0.9), detection(300, 0.8), detection(12, 0.45), detection(310, 0.8)];
  const [first, second, ...more] = fuseBoxes(candidates, 0.4, 1);
  expect(more).toEqual([]);
  expect([first?.score, second?.score]).toEqual([0.9, 0.8]);
  expect(first?.box.x).toBeCloseTo(4, 9);
  expect(second?.box.x).toBeCloseTo(305, 9);
  expect(fuseBoxes(candidates, 0.4, 0)[0]?.box.x).toBeCloseTo(6, 9);
});

test('a second pass sees a square around the box, and takes the surest box of the same face there', () => {
  expect(enlarged({ x: 10, y: 20, width: 30, height: 40 }, 2)).toEqual({ x: -15, y: 0, width: 80, height: 80 });
  const first = detection(0, 0.7);
  expect(secondLookAt(first, [detection(90, 0.99), detection(8, 0.9), detection(0, 0.8)])).toEqual(detection(8, 0.9));
  expect(secondLookAt(first, [detection(90, 0.99)])).toBe(first);
});

test('without a road its faces are the recogniser’s', async () => {
  const bundle = await defaultBundle();
  const { detector, landmarks, embedder } = bundle.manifest;
  const models = {
    detector: { bytes: await bundle.read(detector.target), spec: detector.spec },
    landmarks: { bytes: await bundle.read(landmarks.target), spec: landmarks.spec },
    embedder: embedder.spec,
  };
  const plain = await BoxRoadPipeline.open({ ...models, road: {} });
  const recogniser = await openRecogniser({ bundle });
  try {
    for (const photo of samplePhotos()) {
      const frame = await decodeImage(await readFile(photo));
      const { faces } = await plain.detect(frame);
      const expected = await recogniser.detect(frame);
      expect(faces.length).toBe(expected.faces.length);
      for (const face of expected.faces) {
        const own = faces.find(({ box }) => box.x === face.box.x && box.y === face.box.y);
        expect(own?.quality).toBeCloseTo(face.quality, 3);
        for (const [index, { x, y }] of face.fivePoints.entries()) {
          expect(own?.fivePoints[index]?.x).toBeCloseTo(x, 2);
          expect(own?.fivePoints[index]?.y).toBeCloseTo(y, 2);
        }
      }
    }
  } finally {
    await recogniser.close();
  }
});
