import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { samplePhotos } from '@sightline/testing';
import sharp from 'sharp';

/** Runs FFmpeg; @returns what it wrote to its standard output. */
export async function ffmpeg(...args: readonly string[]): Promise<Buffer> {
  const options = { encoding: 'buffer', maxBuffer: 64 * 2 ** 20 } as const;
  const { stdout } = await promisify(execFile)('ffmpeg', ['-v', 'error', '-y', '-nostdin', ...args], options);
  return stdout;
}

/** A film of moving test patterns. */
export async function patternFilm(path: string, size: string, seconds: number): Promise<string> {
  const pattern = `testsrc=s=${size}:r=10:d=${seconds}`;
  await ffmpeg('-f', 'lavfi', '-i', pattern, '-pix_fmt', 'yuv420p', '-preset', 'ultrafast', '-g', '10', path);
  return path;
}

export interface PhotoFilm {
  readonly path: string;
  /** The photos as they were filmed, RGB. */
  readonly pictures: readonly Uint8Array[];
}

/** The sample photos one after the other, each for half a second at ten frames a second. */
export async function photoFilm(directory: string, width: number, height: number): Promise<PhotoFilm> {
  const pictures: Uint8Array[] = [];
  for (const [index, photo] of samplePhotos().entries()) {
    const scaled = sharp(photo).resize(width, height, { fit: 'cover' }).removeAlpha();
    pictures.push(await scaled.clone().raw().toBuffer());
    await scaled.png().toFile(join(directory, `photo${index}.png`));
  }
  const path = join(directory, 'photos.mp4');
  const pattern = join(directory, 'photo%d.png');
  const quality = ['-r', '10', '-pix_fmt', 'yuv444p', '-crf', '12', '-preset', 'ultrafast'];
  await ffmpeg('-framerate', '2', '-start_number', '0', '-i', pattern, ...quality, path);
  return { path, pictures };
}

/** A JPEG of one colour. */
export async function jpeg(width: number, height: number, tone: number): Promise<Buffer> {
  const background = { r: tone, g: tone, b: tone };
  return sharp({ create: { width, height, channels: 3, background } })
    .jpeg()
    .toBuffer();
}

/** Mean absolute difference of two pictures of one size, 0 to 255. */
export function differenceOf(one: Uint8Array, other: Uint8Array): number {
  return one.reduce((total, value, index) => total + Math.abs(value - (other[index] ?? 0)), 0) / one.length;
}
