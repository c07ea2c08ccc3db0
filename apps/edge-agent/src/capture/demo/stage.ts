import sharp from 'sharp';

import type { Frame } from '@sightline/vision';

import type { DemoPass, DemoScript } from './script.js';
import { seededRandom } from './seeded-random.js';

const CHANNELS = 3;

/** Where and how the crop stands in one frame. Lengths in pixels of the frame, angles in degrees clockwise. */
interface Pose {
  readonly centreX: number;
  readonly centreY: number;
  readonly height: number;
  readonly rotation: number;
  readonly brightness: number;
  readonly blur: number;
}

/** An empty room: soft light and shade, nothing that a detector would take for a face. */
export async function renderBackground({ seed, width, height }: DemoScript): Promise<Frame> {
  const random = seededRandom(seed);
  const cells = { width: 4, height: 3, channels: CHANNELS } as const;
  const tones = Uint8Array.from(
    { length: cells.width * cells.height * CHANNELS },
    () => 90 + Math.floor(random() * 40),
  );
  const data = await sharp(tones, { raw: cells })
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .blur(12)
    .raw()
    .toBuffer();
  return { width, height, data };
}

/** Cuts one person out of a photo, no larger than the pass will show it (so that no detail aliases). */
export async function loadActor(photo: string, pass: DemoPass, script: DemoScript): Promise<Frame> {
  const height = Math.round(Math.max(...pass.motion.height) * script.height);
  const { data, info } = await sharp(photo)
    .autoOrient()
    .extract(pass.crop)
    .resize({ height, withoutEnlargement: true })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** The pose in each frame of a pass: linear from its start to its end, plus the seeded sway. */
export function posesOf(pass: DemoPass, script: DemoScript, passIndex: number): readonly Pose[] {
  const random = seededRandom(script.seed ^ Math.imul(passIndex + 1, 0x9e3779b1));
  const phases = Array.from({ length: 4 }, () => random() * 2 * Math.PI);
  const { motion, frames } = pass;
  return Array.from({ length: frames }, (_, index) => {
    const at = frames === 1 ? 0 : index / (frames - 1);
    const between = ([from, to]: readonly [number, number]): number => from + (to - from) * at;
    // Two slow waves an axis: unsteady, yet without jumps.
    const sway = (a = 0, b = 0): number => (motion.sway * (Math.sin(index * 0.7 + a) + Math.sin(index * 0.31 + b))) / 2;
    return {
      centreX: between(motion.x) * script.width + sway(phases[0], phases[1]),
      centreY: between(motion.y) * script.height + sway(phases[2], phases[3]),
      height: between(motion.height) * script.height,
      rotation: between(motion.rotation),
      brightness: between(motion.brightness),
      blur: between(motion.blur),
    };
  });
}

/** The frames of the poses in order. The next one is being made while its predecessor is looked at. */
export async function* renderFrames(
  background: Frame,
  actor: Frame,
  poses: readonly Pose[],
  jpegQuality: number,
): AsyncIterable<Frame> {
  let ahead: Promise<Frame> | undefined;
  for (const [index, pose] of poses.entries()) {
    const frame = await (ahead ?? renderFrame(background, actor, pose, jpegQuality));
    const next = poses[index + 1];
    ahead = next && renderFrame(background, actor, next, jpegQuality);
    // Whoever stops looking does not wait for it; whoever goes on awaits it and learns what failed.
    ahead?.catch(() => undefined);
    yield frame;
  }
}

/** Puts the actor into the room, then light, lens and compression. */
async function renderFrame(background: Frame, actor: Frame, pose: Pose, jpegQuality: number): Promise<Frame> {
  const { width, height } = background;
  const canvas = { width, height, data: Uint8Array.from(background.data) };
  paint(canvas, actor, pose);
  if (pose.brightness !== 1) relight(canvas.data, pose.brightness);
  let picture = sharp(canvas.data, { raw: { width, height, channels: CHANNELS } });
  // sharp's smallest sigma is 0.3.
  if (pose.blur >= 0.3) picture = picture.blur(pose.blur);
  const compressed = await picture.jpeg({ quality: jpegQuality }).toBuffer();
  return { width, height, data: await sharp(compressed).raw().toBuffer() };
}

function relight(data: Uint8Array, factor: number): void {
  const tones = Uint8ClampedArray.from({ length: 256 }, (_, tone) => tone * factor);
  for (let index = 0; index < data.length; index += 1) data[index] = tones[data[index] ?? 0] ?? 0;
}

interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Draws the actor, turned and scaled about its centre, by looking up each pixel of the canvas (bilinear). */
function paint(canvas: Canvas, actor: Frame, pose: Pose): void {
  const angle = (pose.rotation * Math.PI) / 180;
  const scale = actor.height / pose.height;
  const cos = Math.cos(angle) * scale;
  const sin = Math.sin(angle) * scale;
  const reach = Math.hypot(actor.width, actor.height) / 2 / scale;
  const right = Math.min(canvas.width - 1, Math.ceil(pose.centreX + reach));
  const bottom = Math.min(canvas.height - 1, Math.ceil(pose.centreY + reach));
  const left = Math.max(0, Math.floor(pose.centreX - reach));
  for (let y = Math.max(0, Math.floor(pose.centreY - reach)); y <= bottom; y += 1) {
    const dy = y - pose.centreY;
    for (let x = left; x <= right; x += 1) {
      const dx = x - pose.centreX;
      const sourceX = cos * dx + sin * dy + (actor.width - 1) / 2;
      const sourceY = cos * dy - sin * dx + (actor.height - 1) / 2;
      if (sourceX < 0 || sourceY < 0 || sourceX > actor.width - 1 || sourceY > actor.height - 1) continue;
      copyPixel(actor, sourceX, sourceY, canvas.data, (y * canvas.width + x) * CHANNELS);
    }
  }
}

function copyPixel({ width, height, data }: Frame, x: number, y: number, to: Uint8Array, offset: number): void {
  const column = Math.floor(x);
  const row = Math.floor(y);
  const fromRight = x - column;
  const fromBelow = y - row;
  const right = column + 1 < width ? CHANNELS : 0;
  const below = row + 1 < height ? width * CHANNELS : 0;
  const start = (row * width + column) * CHANNELS;
  for (let at = start; at < start + CHANNELS; at += 1) {
    const upper = (data[at] ?? 0) * (1 - fromRight) + (data[at + right] ?? 0) * fromRight;
    const lower = (data[at + below] ?? 0) * (1 - fromRight) + (data[at + below + right] ?? 0) * fromRight;
    to[offset + at - start] = Math.round(upper * (1 - fromBelow) + lower * fromBelow);
  }
}
