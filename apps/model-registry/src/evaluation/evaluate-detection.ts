import { mean, median, percentile } from '@sightline/matching';
import { decodeImage, type Face, type Recogniser } from '@sightline/recognition';
import { intersectionOverUnion } from '@sightline/vision';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { dataSetDigest, identityOf, readDataSet, type DataSet } from './data-set.js';
import { centralFace } from './embed-images.js';
import type { DetectionEvaluation } from './evaluation-report.js';
import type { EvaluationRequest } from './evaluation-request.js';
import { digestOf, openModels, variantOf, withModel, type EvaluationRun } from './evaluation-run.js';

type FoundFace = Pick<Face, 'box' | 'fivePoints' | 'quality'>;

interface FoundInImage {
  readonly face: FoundFace | undefined;
  /** What the parent's path finds in the same image. */
  readonly twin?: { readonly face: FoundFace | undefined };
  readonly furtherFaces: number;
  readonly ms: number;
}

/** Whether a detector or a landmark model finds the people of the images, and where its parent does. */
export async function evaluateDetection(
  request: EvaluationRequest & { readonly task: 'detector' | 'landmarks' },
  run: EvaluationRun,
): Promise<DetectionEvaluation> {
  const data = await readDataSet(request.dataSetDirectory);
  const { task, models, parent, workers = 1 } = request;
  const recogniser = await openModels(models, { workers });
  let twin: Recogniser | undefined;
  try {
    if (parent) twin = await openModels(withModel(models, task, parent), { workers });
    const found = await findAll(data, { recogniser, twin }, run);
    const faces = found.flatMap(({ face }) => face ?? []);
    return {
      task,
      variantDigest: digestOf(variantOf(request)),
      dataSet: {
        name: basename(data.folder),
        digest: await dataSetDigest(data),
        images: found.length,
        identities: new Set(data.images.map(identityOf)).size,
        withoutFace: found.length - faces.length,
      },
      recall: faces.length / found.length,
      furtherFaces: found.reduce((sum, { furtherFaces }) => sum + furtherFaces, 0),
      medianQuality: faces.length === 0 ? 0 : median(faces.map(({ quality }) => quality)),
      ...(parent && { agreement: agreementOf(found, digestOf(parent)) }),
      detectMs: median(found.map(({ ms }) => ms)),
    };
  } finally {
    await Promise.all([recogniser.close(), twin?.close()]);
  }
}

interface Detectors {
  readonly recogniser: Recogniser;
  readonly twin?: Recogniser | undefined;
}

async function findAll(
  { folder, images }: DataSet,
  { recogniser, twin }: Detectors,
  { signal, onProgress }: EvaluationRun,
): Promise<readonly FoundInImage[]> {
  const found: FoundInImage[] = [];
  for (const [index, image] of images.entries()) {
    signal.throwIfAborted();
    const frame = await decodeImage(await readFile(join(folder, 'images', image)));
    const { faces, stageMs } = await recogniser.detect(frame);
    const others = twin && (await twin.detect(frame));
    found.push({
      face: kept(centralFace(faces, frame)),
      furtherFaces: Math.max(0, faces.length - 1),
      ms: stageMs.detect + stageMs.landmarks,
      ...(others && { twin: { face: kept(centralFace(others.faces, frame)) } }),
    });
    if ((index + 1) % 100 === 0) onProgress({ step: 'detecting', done: index + 1, total: images.length });
  }
  return found;
}

/** Without the crop. */
function kept(face: Face | undefined): FoundFace | undefined {
  return face && { box: face.box, fivePoints: face.fivePoints, quality: face.quality };
}

function agreementOf(found: readonly FoundInImage[], parentDigest: string): DetectionEvaluation['agreement'] {
  const both = found.flatMap(({ face, twin }) => (face && twin?.face ? [{ face, before: twin.face }] : []));
  const overlaps = both.map(({ face, before }) => intersectionOverUnion(face.box, before.box));
  const shifts = both.map(({ face, before }) => pointShift(before, face));
  return {
    parentDigest,
    foundByBoth: both.length,
    foundByParentAlone: found.filter(({ face, twin }) => !face && twin?.face).length,
    foundByVariantAlone: found.filter(({ face, twin }) => face && !twin?.face).length,
    overlap: { mean: meanOf(overlaps), p1: percentileOf(overlaps, 0.01), min: percentileOf(overlaps, 0) },
    pointShift: { mean: meanOf(shifts), p99: percentileOf(shifts, 0.99), max: percentileOf(shifts, 1) },
  };
}

/** Mean distance of the five points, in distances of the eyes. */
function pointShift({ fivePoints: before }: FoundFace, { fivePoints: after }: FoundFace): number {
  const [left, right] = before;
  const eyes = Math.hypot(right.x - left.x, right.y - left.y);
  const distances = before.map(({ x, y }, at) => Math.hypot((after[at]?.x ?? x) - x, (after[at]?.y ?? y) - y));
  return mean(distances) / eyes;
}

function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : mean(values);
}

function percentileOf(values: readonly number[], share: number): number {
  return values.length === 0 ? 0 : percentile(values, share);
}
