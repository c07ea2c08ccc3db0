import type { DetectorSpec, EmbedderSpec, PresentationAttackSpec } from '@sightline/contracts';
import { mean, vectorAgreement } from '@sightline/matching';
import { measure, type DataSet } from '@sightline/model-registry/evaluation';
import { measureAgreement } from '@sightline/model-tools';
import { openSession, Tensor, type OnnxSession } from '@sightline/onnx-runtime';
import { embeddingOf } from '@sightline/recognition';
import { decodeDetections, detectorView, intersectionOverUnion, type Detection } from '@sightline/vision';

import type { FaceSample } from './samples.js';
import { inputOf, inputsOf, type Subject } from './subjects.js';

/** Cosines of what two models answer, as it is: no normalisation, no centre. The worst of the outputs. */
export async function cosines(subject: Subject, parent: Uint8Array, variant: Uint8Array, faces: readonly FaceSample[]) {
  const { outputs } = await measureAgreement(parent, variant, inputsOf(subject, faces));
  const worst = (of: 'mean' | 'p1' | 'min'): number => Math.min(...outputs.map((output) => output[of]));
  return { mean: worst('mean'), p1: worst('p1'), min: worst('min') };
}

/** What an embedder answers for each face, in their order. */
export async function answers(subject: Subject, model: Uint8Array, faces: readonly FaceSample[]) {
  return withSession(model, async (session) => {
    const found: Float32Array[] = [];
    for (const face of faces) {
      const [output] = Object.values(await answer(session, subject, face));
      if (!(output?.data instanceof Float32Array)) throw new Error('the embedder has no float32 output');
      found.push(output.data);
    }
    return found;
  });
}

/** As {@link cosines}, of answers that are there. */
export function cosinesOf(before: readonly Float32Array[], after: readonly Float32Array[]) {
  const { mean, p1, min } = vectorAgreement(
    after.map((other, index) => ({ one: before[index] ?? new Float32Array(), other })),
  );
  return { mean, p1, min };
}

/** True-accept rates, percent, by false-match rate: all images against each other, one view of each. */
export function trueAcceptRates(spec: EmbedderSpec, { data, faces }: Evaluated, raw: readonly Float32Array[]) {
  const vectors = new Map(
    faces.map(({ image }, index) => [image, embeddingOf([raw[index] ?? new Float32Array()], spec)]),
  );
  const { rates } = measure(data, (image) => {
    const vector = vectors.get(image);
    return vector && { enrolled: vector, probe: vector };
  });
  return Object.fromEntries(rates.map(({ rate, tar }) => [rate, tar]));
}

export interface Evaluated {
  readonly data: DataSet;
  readonly faces: readonly FaceSample[];
}

/** Of each image's surest detection: how often there is one, and where it lies beside the parent's. */
export async function detections(
  spec: DetectorSpec,
  subject: Subject,
  model: Uint8Array,
  faces: readonly FaceSample[],
) {
  return withSession(model, async (session) => {
    const found: (Detection | undefined)[] = [];
    for (const face of faces) {
      const outputs = await answer(session, subject, face);
      const tensors = Object.fromEntries(
        Object.entries(outputs).map(([name, { data, dims }]) => [name, { data: data as Float32Array, shape: dims }]),
      );
      found.push(decodeDetections(tensors, spec, detectorView(face.frame ?? { width: 1, height: 1 }, spec))[0]);
    }
    return found;
  });
}

export function detectionFigures(before: readonly (Detection | undefined)[], after: typeof before) {
  const both = after.flatMap((one, index) => {
    const other = before[index];
    return one && other ? [intersectionOverUnion(one.box, other.box)] : [];
  });
  return {
    images: after.length,
    recall: after.filter((one) => one !== undefined).length / after.length,
    overlapWithImported: mean(both),
    leastOverlap: Math.min(...both),
  };
}

/** Whether each face is taken for a live one: its share of the softmax is .5 or more. */
export async function decisions(
  spec: PresentationAttackSpec,
  subject: Subject,
  model: Uint8Array,
  faces: readonly FaceSample[],
): Promise<readonly boolean[]> {
  return withSession(model, async (session) => {
    const live: boolean[] = [];
    for (const face of faces) {
      const [output] = Object.values(await answer(session, subject, face));
      const logits = [...((output?.data ?? []) as Float32Array)];
      const own = logits[spec.liveIndex] ?? Number.NaN;
      live.push(1 / logits.reduce((sum, logit) => sum + Math.exp(logit - own), 0) >= 0.5);
    }
    return live;
  });
}

async function withSession<T>(model: Uint8Array, work: (session: OnnxSession) => Promise<T>): Promise<T> {
  const session = await openSession(model);
  try {
    return await work(session);
  } finally {
    await session.release();
  }
}

async function answer(session: OnnxSession, subject: Subject, face: FaceSample) {
  const [input] = inputOf(subject, face) ?? [];
  if (input === undefined) throw new Error('the face has no picture');
  return session.run({ [session.inputs[0]?.name ?? '']: new Tensor('float32', input.values, [...input.shape]) });
}
