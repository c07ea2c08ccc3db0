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

/** Puts the actor into the room, then light, lens and compression. */
export async function renderFrame(background: Frame, actor: Frame, pose: Pose, jpegQuality: number): Promise<Frame> {
  const { width, height } = background;
  const canvas = { width, height, data: Uint8Array.from(background.data) };
  paint(canvas, actor, pose);
  let picture = sharp(canvas.data, { raw: { width, height, channels: CHANNELS } });
  // sharp's smallest sigma is 0.3.
  if (pose.blur >= 0.3) picture = picture.blur(pose.blur);
  if (pose.brightness !== 1) picture = picture.linear(pose.brightness, 0);
  const compressed = await picture.jpeg({ quality: jpegQuality }).toBuffer();
  return { width, height, data: await sharp(compressed).raw().toBuffer() };
}

/** Draws the actor, turned and scaled about its centre, by looking up each pixel of the canvas (bilinear). */
function paint(
  canvas: { readonly width: number; readonly height: number; readonly data: Uint8Array },
  actor: Frame,
  pose: Pose,
): void {
  const angle = (pose.rotation * Math.PI) / 180;
  const scale = actor.height / pose.height;
  const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
  const reach = Math.hypot(actor.width, actor.height) / 2 / scale;
  const [left, right] = [
    Math.max(0, Math.floor(pose.centreX - reach)),
    Math.min(canvas.width - 1, Math.ceil(pose.centreX + reach)),
  ];
  const [top, bottom] = [
    Math.max(0, Math.floor(pose.centreY - reach)),
    Math.min(canvas.height - 1, Math.ceil(pose.centreY + reach)),
  ];
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      const [dx, dy] = [x - pose.centreX, y - pose.centreY];
      const sourceX = cos * dx + sin * dy + (actor.width - 1) / 2;
      const sourceY = cos * dy - sin * dx + (actor.height - 1) / 2;
      if (sourceX < 0 || sourceY < 0 || sourceX > actor.width - 1 || sourceY > actor.height - 1) continue;
      copyPixel(actor, sourceX, sourceY, canvas.data, (y * canvas.width + x) * CHANNELS);
    }
  }
}

function copyPixel(from: Frame, x: number, y: number, to: Uint8Array, offset: number): void {
  const [x0, y0] = [Math.floor(x), Math.floor(y)];
  const [fx, fy] = [x - x0, y - y0];
  const right = x0 + 1 < from.width ? CHANNELS : 0;
  const below = y0 + 1 < from.height ? from.width * CHANNELS : 0;
  const at = (y0 * from.width + x0) * CHANNELS;
  for (let channel = 0; channel < CHANNELS; channel += 1) {
    const value = (shift: number): number => from.data[at + shift + channel] ?? 0;
    const upper = value(0) * (1 - fx) + value(right) * fx;
    const lower = value(below) * (1 - fx) + value(below + right) * fx;
    to[offset + channel] = Math.round(upper * (1 - fy) + lower * fy);
  }
}
