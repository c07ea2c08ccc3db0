import { decodeImage } from '@sightline/recognition';
import { samplePhotos } from '@sightline/testing';
import type { Frame } from '@sightline/vision';
import sharp from 'sharp';

export const frameWidth = 1280;
export const frameHeight = 720;

/** A region of a sample photo, and the region of the frame that it is scaled into. Pixels. */
interface Paste {
  /** 1 to 6. */
  readonly photo: number;
  readonly from: readonly [left: number, top: number, width: number, height: number];
  readonly into: readonly [left: number, top: number, width: number, height: number];
}

const compositions = {
  1: [{ photo: 1, from: [1066, 80, 854, 480], into: [0, 0, 1280, 720] }],
  3: [{ photo: 3, from: [0, 20, 1920, 1080], into: [0, 0, 1280, 720] }],
  // Three faces over three and four; 71 to 155 pixels wide.
  10: [
    { photo: 3, from: [0, 130, 1920, 540], into: [0, 0, 1280, 360] },
    { photo: 1, from: [300, 60, 1500, 844], into: [0, 360, 640, 360] },
    { photo: 6, from: [180, 60, 1600, 900], into: [640, 360, 640, 360] },
  ],
} as const satisfies Readonly<Record<number, readonly Paste[]>>;

/** How many faces a frame of the benchmark shows. */
export type FaceCount = keyof typeof compositions;
export const faceCounts: readonly FaceCount[] = [1, 3, 10];

export type PerFrame<Value> = Readonly<Record<FaceCount, Value>>;

export function perFrame<Value>(of: (faces: FaceCount) => Value): PerFrame<Value> {
  return { 1: of(1), 3: of(3), 10: of(10) };
}

/** A 720p frame of real faces, from the sample photos: decoded, as an application has it. */
export async function composeFrame(faces: FaceCount): Promise<Frame> {
  const photos = samplePhotos();
  const pasted = compositions[faces].map(async ({ photo, from, into }) => {
    const [left, top, width, height] = from;
    const region = sharp(photos[photo - 1]).extract({ left, top, width, height });
    return {
      input: await region.resize(into[2], into[3], { fit: 'fill' }).png().toBuffer(),
      left: into[0],
      top: into[1],
    };
  });
  const picture = sharp({ create: { width: frameWidth, height: frameHeight, channels: 3, background: 'black' } });
  return decodeImage(
    await picture
      .composite(await Promise.all(pasted))
      .removeAlpha()
      .png()
      .toBuffer(),
  );
}
