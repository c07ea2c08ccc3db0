import type { KeyId } from '@sightline/kernel';
import type { Face, FaceViews, Recogniser, StageMs } from '@sightline/recognition';
import { decodeTemplate, type TemplateProtector } from '@sightline/template-protection';
import type { Frame } from '@sightline/vision';

import { median } from '@sightline/matching';

/** Leaves embeddings as they are, so that what the models yield is seen. */
export const unprotected: TemplateProtector = { keyId: 'unprotected' as KeyId, protect: (embedding) => embedding };

/** The face nearest to the middle of an image. */
export interface EmbeddedFace {
  /** As a probe. */
  readonly probe: Float32Array;
  /** As it is enrolled: the mean of several views. */
  readonly enrolled: Float32Array;
  /** What another embedder makes of the same crop, where there is one to compare with. */
  readonly twin?: { readonly probe: Float32Array; readonly enrolled: Float32Array };
  readonly face: Pick<Face, 'box' | 'score' | 'fivePoints' | 'quality'>;
}

export interface EmbeddedImages {
  readonly faces: ReadonlyMap<string, EmbeddedFace>;
  /** Images in which no face was found. */
  readonly missed: readonly string[];
  /** Medians, ms. */
  readonly stageMs: StageMs & { readonly decode: number; readonly embedViews: number };
}

/** What is asked of a recogniser. */
export type MeasuredRecogniser = Pick<Recogniser, 'detect' | 'embed'>;

export interface EmbedRun {
  readonly recogniser: MeasuredRecogniser;
  readonly images: readonly string[];
  readonly load: (image: string) => Promise<Frame>;
  /** Another embedder, which is given the same crops. */
  readonly twin?: Pick<MeasuredRecogniser, 'embed'> | undefined;
  readonly signal?: AbortSignal;
  /** Whether faces are embedded as for enrolment too. Otherwise `enrolled` is the probe. Default: false. */
  readonly forEnrolment?: boolean;
  /** Called now and then. */
  readonly onProgress: (done: number) => void;
}

/** Embeds each image's central face. An image is decoded while another is in the recogniser. */
export async function embedImages(run: EmbedRun): Promise<EmbeddedImages> {
  const { recogniser, twin, images, load, forEnrolment = false, onProgress, signal } = run;
  const faces = new Map<string, EmbeddedFace>();
  const times: EmbeddedImages['stageMs'][] = [];
  const queue = [...images].reverse();
  const work = async (): Promise<void> => {
    for (let image = queue.pop(); image !== undefined; image = queue.pop()) {
      signal?.throwIfAborted();
      const began = performance.now();
      const frame = await load(image);
      const decode = performance.now() - began;
      const { faces: found, stageMs } = await recogniser.detect(frame);
      const face = centralFace(found, frame);
      if (face === undefined) continue;
      const { ms, ...vectors } = await embedFace(recogniser, face, forEnrolment);
      const other = twin && (await embedFace(twin, face, forEnrolment));
      // Without the crop: those of thousands of faces are hundreds of megabytes.
      const { box, score, fivePoints, quality } = face;
      faces.set(image, { ...vectors, ...(other && { twin: other }), face: { box, score, fivePoints, quality } });
      times.push({ ...stageMs, decode, ...ms });
      if (faces.size % 100 === 0) onProgress(faces.size);
    }
  };
  await Promise.all([work(), work(), work()]);
  const medianOf = (stage: keyof EmbeddedImages['stageMs']): number => median(times.map((ms) => ms[stage]));
  return {
    faces,
    missed: images.filter((image) => !faces.has(image)),
    stageMs: {
      decode: medianOf('decode'),
      detect: medianOf('detect'),
      landmarks: medianOf('landmarks'),
      align: medianOf('align'),
      embed: medianOf('embed'),
      embedViews: medianOf('embedViews'),
    },
  };
}

/** The face whose box has its centre nearest to that of the frame. */
export function centralFace(faces: readonly Face[], frame: Pick<Frame, 'width' | 'height'>): Face | undefined {
  const offCentre = ({ box }: Face): number =>
    Math.hypot(box.x + box.width / 2 - frame.width / 2, box.y + box.height / 2 - frame.height / 2);
  return [...faces].sort((one, other) => offCentre(one) - offCentre(other))[0];
}

async function embedFace(recogniser: Pick<MeasuredRecogniser, 'embed'>, face: Face, forEnrolment: boolean) {
  const plain = await embedOne(recogniser, face, 'one');
  const several = forEnrolment ? await embedOne(recogniser, face, 'several') : plain;
  const ms = { embed: plain.embedMs, embedViews: several.embedMs };
  return { probe: plain.vector, enrolled: several.vector, ms };
}

async function embedOne(recogniser: Pick<MeasuredRecogniser, 'embed'>, face: Face, views: FaceViews) {
  const { templates, embedMs } = await recogniser.embed([face], {
    protector: unprotected,
    codec: 'float16',
    views,
  });
  return { vector: templates[0] ? decodeTemplate(templates[0]) : new Float32Array(), embedMs };
}
