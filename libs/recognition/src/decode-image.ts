import { AppError } from '@sightline/kernel';
import type { Frame } from '@sightline/vision';
import sharp, { type Metadata } from 'sharp';

export interface DecodeOptions {
  /** Largest number of pixels; more are refused before anything is decoded. Default: 64 million. */
  readonly maxPixels?: number;
  /** Least length of the shorter side, pixels. Default: 32. */
  readonly minSide?: number;
}

const DEFAULT_MAX_PIXELS = 64_000_000;
const DEFAULT_MIN_SIDE = 32;
/** Photographs. Not SVG or PDF, which are programs for a renderer rather than pictures. */
const FORMATS: readonly string[] = ['jpeg', 'png', 'webp', 'heif', 'tiff', 'gif'];

/**
 * Decodes a photograph: turned upright as its EXIF orientation says, in sRGB, transparency laid on white; of
 * an animation the first picture. The frame lies in shared memory.
 *
 * @throws AppError `IMAGE.UNSUPPORTED_FORMAT` (no image, or none of a photograph's formats),
 *   `IMAGE.UNREADABLE` (broken or truncated), `IMAGE.TOO_LARGE`, `IMAGE.TOO_SMALL`
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Promise<Frame> {
  const { maxPixels = DEFAULT_MAX_PIXELS, minSide = DEFAULT_MIN_SIDE } = options;
  const { width, height } = await readHeader(bytes);
  const details = { width, height };
  if (width * height > maxPixels) {
    throw new AppError('IMAGE.TOO_LARGE', `The image has more than ${maxPixels} pixels.`, { details });
  }
  if (Math.min(width, height) < minSide) {
    throw new AppError('IMAGE.TOO_SMALL', `A side of the image is shorter than ${minSide} pixels.`, { details });
  }
  try {
    const { data, info } = await sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels })
      .autoOrient()
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: toRgb(data, info.channels) };
  } catch (error) {
    throw new AppError('IMAGE.UNREADABLE', 'The image is broken or truncated.', { cause: error });
  }
}

/** Reads no more than the header, so that a picture of any size is judged at once. */
async function readHeader(bytes: Uint8Array): Promise<Metadata> {
  let metadata: Metadata;
  try {
    metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (error) {
    throw isKnownFormat(bytes)
      ? new AppError('IMAGE.UNREADABLE', 'The header of the image is broken.', { cause: error })
      : new AppError('IMAGE.UNSUPPORTED_FORMAT', 'The file is not an image of a supported format.', { cause: error });
  }
  if (FORMATS.includes(metadata.format)) return metadata;
  throw new AppError('IMAGE.UNSUPPORTED_FORMAT', 'The file is not an image of a supported format.', {
    details: { format: metadata.format },
  });
}

/** The first bytes of JPEG, PNG, GIF, RIFF (WebP) and both byte orders of TIFF. */
const SIGNATURES = ['ffd8ff', '89504e470d0a1a0a', '474946383', '52494646', '49492a00', '4d4d002a'];

function isKnownFormat(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 8)).toString('hex');
  return SIGNATURES.some((signature) => start.startsWith(signature));
}

/** A grey picture stays of one channel when it is decoded. */
function toRgb(data: Uint8Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const rgb = new Uint8Array(new SharedArrayBuffer(pixels * 3));
  if (channels === 3) rgb.set(data);
  else for (let pixel = 0; pixel < pixels; pixel++) rgb.fill(data[pixel * channels] ?? 0, pixel * 3, pixel * 3 + 3);
  return rgb;
}
