import type { VerifiedBundle } from '@sightline/contracts';
import { evaluateModel, type EvaluatedModels, type EvaluationProgress } from '@sightline/model-registry/evaluation';
import { storeInHalfPrecision } from '@sightline/model-tools';
import { decodeImage, openRecogniser } from '@sightline/recognition';
import { defaultBundle, samplePhotos } from '@sightline/testing';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';

const VIEWS = 3;
/** Of the 22 people of the photographs; the last ones are for calibration, and strangers. */
const PAIRED = 16;
const CALIBRATION = 2;

let folder: string;
let bundle: VerifiedBundle;
let models: EvaluatedModels;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-evaluation-'));
  bundle = await defaultBundle();
  const { detector, landmarks, embedder } = bundle.manifest;
  models = {
    detector: { bytes: await bundle.read(detector.target), spec: detector.spec },
    landmarks: { bytes: await bundle.read(landmarks.target), spec: landmarks.spec },
    embedder: { bytes: await bundle.read(embedder.target), spec: embedder.spec },
  };
  await writeDataSet();
});
afterAll(() => rm(folder, { recursive: true }));

/** Everybody of the sample photographs in several sections of different size and compression. */
async function writeDataSet(): Promise<void> {
  await mkdir(join(folder, 'images'));
  const recogniser = await openRecogniser({ bundle });
  let person = 0;
  for (const path of samplePhotos()) {
    const photo = await readFile(path);
    for (const { box } of (await recogniser.detect(await decodeImage(photo))).faces) {
      for (let view = 1; view <= VIEWS; view += 1) {
        const side = Math.round(Math.max(box.width, box.height) * (1.2 + view / 10));
        const left = Math.max(0, Math.round(box.x + box.width / 2 - side / 2));
        const top = Math.max(0, Math.round(box.y + box.height / 2 - side / 2));
        const section = sharp(photo).extract({ left, top, width: side, height: side }).resize(250, 250);
        await writeFile(
          join(folder, 'images', `P${person}_${view}.jpg`),
          await section.jpeg({ quality: 60 + 8 * view }).toBuffer(),
        );
      }
      person += 1;
    }
  }
  await recogniser.close();
  const people = Array.from({ length: person }, (_, at) => `P${at}`);
  const pairs = people.slice(0, PAIRED).flatMap((name, at) => {
    const fold = at % 2;
    const other = people[(at + 2) % PAIRED] ?? '';
    return [`${fold}\t${name}_1.jpg\t${name}_2.jpg\t1`, `${fold}\t${name}_1.jpg\t${other}_1.jpg\t0`];
  });
  const list = (some: readonly string[]): string => some.map((name) => `${name}_1.jpg\n`).join('');
  await writeFile(join(folder, 'pairs.tsv'), ['fold\ta\tb\tsame', ...pairs, ''].join('\n'));
  await writeFile(join(folder, 'calibration.txt'), list(people.slice(PAIRED, PAIRED + CALIBRATION)));
  await writeFile(join(folder, 'unknown.txt'), list(people.slice(PAIRED + CALIBRATION)));
  await writeFile(join(folder, 'labels.tsv'), `identity\tlabel\tvalue\nP0\tphotograph\tfirst\nP1\tphotograph\tfirst\n`);
}

test('an embedder in half precision is evaluated beside its parent, in a thread of its own', async () => {
  const parent = models.embedder.bytes;
  const variant = { ...models, embedder: { ...models.embedder, bytes: storeInHalfPrecision(parent).bytes } };
  const steps = new Set<string>();
  let turns = 0;
  const ticking = setInterval(() => (turns += 1), 20);
  const report = await evaluateModel(
    { task: 'embedder', models: variant, parent, dataSetDirectory: folder, degradedProbes: false, workers: 2 },
    { onProgress: ({ step }: EvaluationProgress) => steps.add(step) },
  );
  clearInterval(ticking);
  expect(turns).toBeGreaterThan(20);
  expect(steps).toContain('comparing');
  if (report.task !== 'embedder') throw new Error('an embedder was evaluated');
  expect(report).toMatchObject({ subgroups: [{ label: 'photograph', identities: 2 }] });
  expect(report.dataSet.withoutFace).toBeLessThan(3);
  expect(report.accuracy).toBeGreaterThan(0.9);
  expect(report.agreement?.cosine.min).toBeGreaterThan(0.9999);
  expect(report.agreement?.genuine.kolmogorovSmirnov).toBeLessThan(0.05);
  expect(report.operatingPoints[0]?.falseMatchRate).toBe(0.01);
});

test('a detector finds the people that its parent finds, in the same boxes', async () => {
  const parent = models.detector.bytes;
  const report = await evaluateModel({ task: 'detector', models, parent, dataSetDirectory: folder });
  if (report.task !== 'detector') throw new Error('a detector was evaluated');
  expect(report.recall).toBeGreaterThan(0.95);
  expect(report.agreement).toMatchObject({ foundByParentAlone: 0, overlap: { min: 1 }, pointShift: { max: 0 } });
});

test('an evaluation ends when it is told to, and leaves nothing running', async () => {
  const ending = new AbortController();
  const reason = new Error('nobody wants it any more');
  const began = evaluateModel(
    { task: 'embedder', models, dataSetDirectory: folder, degradedProbes: false },
    { signal: ending.signal },
  );
  setTimeout(() => ending.abort(reason), 300);
  await expect(began).rejects.toBe(reason);
});

test('a folder that is none, and a model that is not there, are refused', async () => {
  const invalid = { code: 'EVALUATION.INVALID' };
  const missing = join(folder, 'nowhere');
  await expect(evaluateModel({ task: 'embedder', models, dataSetDirectory: missing })).rejects.toMatchObject(invalid);
  const none = evaluateModel({ task: 'presentationAttack', models, dataSetDirectory: folder });
  await expect(none).rejects.toMatchObject(invalid);
});
