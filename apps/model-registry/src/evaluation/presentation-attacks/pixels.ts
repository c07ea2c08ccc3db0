import { seededIntegers } from '@sightline/kernel';
import type { Box, Frame } from '@sightline/vision';
import sharp, { type Sharp } from 'sharp';

/** Red, green and blue, 0 to 255, changed in place. */
export type Pixel = [red: number, green: number, blue: number];

/** A frame of which each pixel was changed. Values are rounded and kept within 0 to 255. */
export function mapPixels({ width, height, data }: Frame, change: (pixel: Pixel, x: number, y: number) => void): Frame {
  const changed = new Uint8Array(data.length);
  const pixel: Pixel = [0, 0, 0];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      for (let channel = 0; channel < 3; channel++) pixel[channel] = data[at + channel] ?? 0;
      change(pixel, x, y);
      for (let channel = 0; channel < 3; channel++) changed[at + channel] = level(pixel[channel] ?? 0);
    }
  }
  return { width, height, data: changed };
}

/** Where `inside` says so the one frame, elsewhere the other; both of one size. */
export function composite(front: Frame, back: Frame, inside: (x: number, y: number) => boolean): Frame {
  return mapPixels(back, (pixel, x, y) => {
    if (!inside(x, y)) return;
    const at = (y * front.width + x) * 3;
    for (let channel = 0; channel < 3; channel++) pixel[channel] = front.data[at + channel] ?? 0;
  });
}

/** 0 to 1. */
export type Random = () => number;

export function seededRandom(seed: number): Random {
  const next = seededIntegers(seed);
  return () => next(2 ** 24) / 2 ** 24;
}

/** Of mean 0 and deviation 1: Box and Muller, 1958. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A value between two. */
export function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}

export async function blurred(frame: Frame, sigma: number): Promise<Frame> {
  return decoded(picture(frame).blur(sigma));
}

export async function compressed(frame: Frame, quality: number): Promise<Frame> {
  return decoded(sharp(await picture(frame).jpeg({ quality }).toBuffer()));
}

/** The frame made smaller and larger again: what a stream of a lower resolution leaves of it. */
export async function resampled(frame: Frame, factor: number): Promise<Frame> {
  const small = await decoded(picture(frame).resize(Math.round(frame.width * factor), null, { fit: 'fill' }));
  return decoded(picture(small).resize(frame.width, frame.height, { fit: 'fill' }));
}

export function mirroredFrame(frame: Frame): Promise<Frame> {
  return decoded(picture(frame).flop());
}

/** The frame with its longer side at most so long, pixels. */
export function shrunkTo(frame: Frame, side: number): Promise<Frame> {
  return decoded(picture(frame).resize(side, side, { fit: 'inside', withoutEnlargement: true }));
}

/** What lies in the frame of a part of it. */
export function cropped(frame: Frame, box: Box): Promise<Frame> {
  const left = Math.max(0, Math.round(box.x));
  const top = Math.max(0, Math.round(box.y));
  const width = Math.min(frame.width, Math.round(box.x + box.width)) - left;
  const height = Math.min(frame.height, Math.round(box.y + box.height)) - top;
  return decoded(picture(frame).extract({ left, top, width, height }));
}

function picture({ width, height, data }: Frame): Sharp {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

async function decoded(image: Sharp): Promise<Frame> {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

function level(value: number): number {
  return Math.min(255, Math.max(0, Math.round(value)));
}
