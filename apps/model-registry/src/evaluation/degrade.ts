import { seededIntegers } from '@sightline/kernel';
import type { Face } from '@sightline/recognition';
import type { Frame } from '@sightline/vision';
import sharp, { type Sharp } from 'sharp';

/** Where a face is. */
type FacePlace = Pick<Face, 'box' | 'fivePoints'>;

/** A way in which a picture becomes worse. `face`: where it is in the good one. */
export interface Degradation {
  readonly name: string;
  readonly apply: (frame: Frame, face: FacePlace) => Promise<Frame>;
}

export const degradations: readonly Degradation[] = [
  { name: 'blur, σ of 6 % of the eye distance', apply: (frame, face) => blurred(frame, 0.06 * eyeDistance(face)) },
  { name: 'blur, σ of 10 %', apply: (frame, face) => blurred(frame, 0.1 * eyeDistance(face)) },
  { name: 'low light: 1/8 with noise', apply: async (frame) => lowLight(frame) },
  { name: 'JPEG of quality 10', apply: (frame) => compressed(frame, 10) },
  { name: 'small: 12 px between the eyes', apply: (frame, face) => shrunk(frame, 12 / eyeDistance(face)) },
  { name: 'small: 8 px between the eyes', apply: (frame, face) => shrunk(frame, 8 / eyeDistance(face)) },
  { name: 'covered below the nose', apply: async (frame, face) => covered(frame, face) },
  { name: 'turned by 20°', apply: (frame) => turned(frame, 20) },
];

function eyeDistance({ fivePoints: [left, right] }: FacePlace): number {
  return Math.hypot(right.x - left.x, right.y - left.y);
}

const blurred = (frame: Frame, sigma: number): Promise<Frame> => finished(picture(frame).blur(Math.max(0.3, sigma)));

const compressed = async (frame: Frame, quality: number): Promise<Frame> =>
  finished(sharp(await picture(frame).jpeg({ quality }).toBuffer()));

/** An eighth of the light, and the noise of a sensor that is turned up (deviation of 4 levels of 256), turned up again. */
function lowLight({ width, height, data }: Frame): Frame {
  const random = seededIntegers(data.length);
  const dark = data.map((value) => {
    const noise = (random(256) + random(256) + random(256) + random(256) - 510) / 37; // nearly normal, deviation 4
    return clamp(4 * clamp(Math.round(value / 8 + noise)));
  });
  return { width, height, data: dark };
}

/** The picture made small, in the middle of a grey one of its old size: a face far away in a scene. */
async function shrunk(frame: Frame, factor: number): Promise<Frame> {
  const scale = Math.min(1, factor);
  const width = Math.max(8, Math.round(frame.width * scale));
  const height = Math.max(8, Math.round(frame.height * scale));
  const left = Math.floor((frame.width - width) / 2);
  const top = Math.floor((frame.height - height) / 2);
  return finished(
    picture(frame)
      .resize(width, height, { fit: 'fill' })
      .extend({
        left,
        top,
        right: frame.width - width - left,
        bottom: frame.height - height - top,
        background: { r: 128, g: 128, b: 128 },
      }),
  );
}

/** A grey cloth over mouth and chin: all of the face's box below the tip of the nose. */
function covered({ width, height, data }: Frame, { box, fivePoints }: FacePlace): Frame {
  const [, , nose] = fivePoints;
  const cloth = Uint8Array.from(data);
  const right = Math.min(width, Math.round(box.x + box.width));
  for (let y = Math.max(0, Math.round(nose.y)); y < Math.min(height, Math.round(box.y + box.height * 1.05)); y++) {
    cloth.fill(150, (y * width + Math.max(0, Math.round(box.x))) * 3, (y * width + right) * 3);
  }
  return { width, height, data: cloth };
}

async function turned(frame: Frame, degrees: number): Promise<Frame> {
  const { data, info } = await picture(frame)
    .rotate(degrees, { background: { r: 0, g: 0, b: 0 } })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const left = Math.floor((info.width - frame.width) / 2);
  const top = Math.floor((info.height - frame.height) / 2);
  const whole = sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } });
  return finished(whole.extract({ left, top, width: frame.width, height: frame.height }));
}

function picture({ width, height, data }: Frame): Sharp {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

async function finished(image: Sharp): Promise<Frame> {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

function clamp(value: number): number {
  return Math.min(255, Math.max(0, value));
}
