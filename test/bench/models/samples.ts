import { centralFace, type DataSet } from '@sightline/model-registry/evaluation';
import { decodeImage, type Recogniser } from '@sightline/recognition';
import type { Box, Frame } from '@sightline/vision';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One image's central face, as the default models find it. */
export interface FaceSample {
  readonly image: string;
  readonly box: Box;
  /** `width × height × 3` bytes of the embedder's input, RGB. */
  readonly aligned: Uint8Array;
  /** The image itself, where it was asked for. */
  readonly frame: Frame | undefined;
}

interface SampleRun {
  readonly recogniser: Recogniser;
  readonly data: DataSet;
  readonly images: readonly string[];
  /** Of so many images, spread evenly, the picture is kept too. */
  readonly withFrame: number;
  readonly onProgress: (done: number) => void;
}

/** Images without a face are left out. */
export async function faceSamples({ recogniser, data, images, withFrame, onProgress }: SampleRun) {
  const samples: FaceSample[] = [];
  const step = Math.max(1, Math.floor(images.length / Math.max(1, withFrame)));
  for (const [index, image] of images.entries()) {
    const frame = await decodeImage(await readFile(join(data.folder, 'images', image)));
    const { faces } = await recogniser.detect(frame);
    const face = centralFace(faces, frame);
    const isKept = withFrame > 0 && index % step === 0;
    if (face) samples.push({ image, box: face.box, aligned: face.aligned, frame: isKept ? frame : undefined });
    if ((index + 1) % 500 === 0) onProgress(index + 1);
  }
  return samples;
}
