import type { DetectorSpec, EmbedderSpec, InputSpec, PresentationAttackSpec } from '@sightline/contracts';
import { defaultCatalog, fetchCatalogFiles, type ModelTask } from '@sightline/model-catalog';
import type { ProofInput } from '@sightline/model-tools';
import { modelStoreDirectory } from '@sightline/testing';
import {
  boxToFrame,
  channelCount,
  detectorView,
  identity,
  presentationView,
  Resampler,
  type Affine,
  type Frame,
} from '@sightline/vision';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { FaceSample } from './samples.js';

/** What a model is for, and how pictures become its input. */
export type SubjectSpec =
  | { readonly task: 'embedder'; readonly spec: EmbedderSpec }
  | { readonly task: 'detector'; readonly spec: DetectorSpec }
  | { readonly task: 'presentationAttack'; readonly spec: PresentationAttackSpec };

/** A model whose variants are measured. */
export type Subject = SubjectSpec & {
  /** As in the report's keys. */
  readonly key: string;
  /** The file as somebody published it. */
  readonly shipped: Uint8Array;
};

/** Models that are no part of the default release: configuration, and not a line of code. */
const further: readonly (SubjectSpec & { readonly key: string; readonly file: string })[] = [
  {
    key: 'secondEmbedder',
    file: 'mobilefacenet-foamliu-128d.onnx',
    task: 'embedder',
    spec: {
      dimension: 128,
      alignmentTemplate: defaultCatalog.embedder.spec.alignmentTemplate,
      input: {
        ...{ width: 112, height: 112, channels: 'rgb' },
        ...{ mean: [123.675, 116.28, 103.53], scale: [58.395, 57.12, 57.375] },
      },
    },
  },
  {
    key: 'secondDetector',
    file: 'yunet-n-dynamic.onnx',
    task: 'detector',
    spec: {
      decoder: 'yunet',
      input: { width: 320, height: 320, channels: 'bgr', mean: [0], scale: [1] },
      fit: 'contain',
      scoreThreshold: 0.6,
      nmsThreshold: 0.3,
    },
  },
];

/** @param furtherModels a folder with the files of {@link further}; one that is missing is left out */
export async function subjects(furtherModels: string): Promise<readonly Subject[]> {
  const files = await fetchCatalogFiles({ storeDirectory: modelStoreDirectory });
  const shipped = (task: ModelTask): Uint8Array => {
    const file = files.get(task);
    if (file === undefined) throw new Error(`the catalog has no ${task}`);
    return file.bytes;
  };
  const { embedder, detector, presentationAttack } = defaultCatalog;
  const found: Subject[] = [
    { key: 'embedder', task: 'embedder', spec: embedder.spec, shipped: shipped('embedder') },
    { key: 'detector', task: 'detector', spec: detector.spec, shipped: shipped('detector') },
    {
      ...{ key: 'presentationAttack', task: 'presentationAttack', spec: presentationAttack.spec },
      shipped: shipped('presentationAttack'),
    },
  ];
  for (const { file, ...subject } of further) {
    const bytes = await readFile(join(furtherModels, file)).catch(() => undefined);
    if (bytes) found.push({ ...subject, shipped: bytes });
    else console.error(`${file} is not in ${furtherModels}: left out.`);
  }
  return found;
}

const resampler = new Resampler();

/** What a model is given of a face; undefined when it needs the picture, and the sample has none. */
export function inputOf(subject: SubjectSpec, { frame, box, aligned }: FaceSample): ProofInput | undefined {
  const { input } = subject.spec;
  if (subject.task === 'embedder') {
    return tensorOf({ width: input.width, height: input.height, data: aligned }, identity, input);
  }
  if (frame === undefined) return undefined;
  if (subject.task === 'presentationAttack') return tensorOf(frame, presentationView(box, frame, subject.spec), input);
  return tensorOf(frame, boxToFrame(detectorView(frame, subject.spec), input.width, input.height), input);
}

/** Each is made when it is asked for. */
export function* inputsOf(subject: SubjectSpec, samples: readonly FaceSample[]): Generator<ProofInput> {
  for (const sample of samples) {
    const input = inputOf(subject, sample);
    if (input) yield input;
  }
}

function tensorOf(frame: Frame, toFrame: Affine, format: InputSpec): ProofInput {
  const values = Float32Array.from(resampler.load(frame).tensor(toFrame, format));
  return [{ shape: [1, channelCount(format), format.height, format.width], values }];
}
