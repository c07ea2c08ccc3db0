import type { Box, FivePoints, Frame } from '@sightline/vision';

import { backdropOf, heldUp } from './held-up.js';
import {
  between,
  blurred,
  composite,
  compressed,
  mapPixels,
  normal,
  resampled,
  type Pixel,
  type Random,
} from './pixels.js';

/** A living person before a camera: what an attack is made of. */
export interface Live {
  readonly frame: Frame;
  readonly box: Box;
  readonly fivePoints: FivePoints;
}

/**
 * One kind of presentation attack instrument (ISO/IEC 30107-3 rates each alone), made from a photograph in code.
 * `close`: it fills all that the model sees; `held`: its edges show, before somebody else's surroundings.
 */
export interface Attack {
  readonly species: string;
  readonly make: (live: Live, random: Random) => Promise<Frame>;
}

export const attacks: readonly Attack[] = [
  { species: 'screen, close', make: ({ frame }, random) => shownOnScreen(frame, random) },
  { species: 'screen, held', make: (live, random) => held(live, random, shownOnScreen, bezel) },
  { species: 'print, close', make: ({ frame }, random) => printed(frame, random) },
  { species: 'print, held', make: (live, random) => held(live, random, printed, paper) },
  { species: 'photo print, close', make: ({ frame }, random) => photoPrinted(frame, random) },
  { species: 'cut-out with eye holes', make: cutOut },
  { species: 'replay, close', make: ({ frame }, random) => replayed(frame, random) },
  { species: 'replay, held', make: (live, random) => held(live, random, replayed, bezel) },
];

/** What every frame goes through, of attacks and of living people alike: a lens, a sensor, a codec. */
export async function seenByCamera(frame: Frame, random: Random): Promise<Frame> {
  const soft = await blurred(frame, between(random, 0.4, 0.8));
  const noise = between(random, 1, 3);
  const sensed = mapPixels(soft, (pixel) => {
    for (let channel = 0; channel < 3; channel++) pixel[channel] = (pixel[channel] ?? 0) + noise * normal(random);
  });
  return compressed(sensed, Math.round(between(random, 75, 92)));
}

/**
 * A picture on a display: its transfer curve and black level, a colder white, a reflection, and the beat of the
 * display's sub-pixels with the camera's, which are a third of a period apart, so that it is coloured.
 */
async function shownOnScreen(frame: Frame, random: Random): Promise<Frame> {
  const gamma = between(random, 0.85, 1.25);
  const black = between(random, 4, 22);
  const white = between(random, 215, 250);
  const cold: Pixel = [between(random, 0.9, 1), between(random, 0.96, 1), 1];
  const beat = moire(random);
  const glare = reflection(frame, random);
  return mapPixels(frame, (pixel, x, y) => {
    for (let channel = 0; channel < 3; channel++) {
      const shown = black + (white - black) * ((pixel[channel] ?? 0) / 255) ** gamma;
      pixel[channel] = shown * (cold[channel] ?? 1) * beat(x, y, channel) + glare(x, y);
    }
  });
}

/** Brightness that two gratings of near frequencies leave: a wave across the display's columns and one across its rows. */
function moire(random: Random): (x: number, y: number, channel: number) => number {
  const waves = [0, 1].map(() => {
    const frequency = between(random, 0.04, 0.3);
    const angle = between(random, 0, Math.PI);
    return {
      across: 2 * Math.PI * frequency * Math.cos(angle),
      down: 2 * Math.PI * frequency * Math.sin(angle),
      depth: between(random, 0.02, 0.09),
    };
  });
  const rolling = between(random, 0, 0.004);
  return (x, y, channel) =>
    waves.reduce((light, { across, down, depth }, wave) => {
      const shift = wave === 0 ? (2 * Math.PI * channel) / 3 : 0;
      return light * (1 + depth * Math.cos(across * x + (down + rolling * x) * y + shift));
    }, 1);
}

/** A lamp or a window in the glass. */
function reflection({ width, height }: Frame, random: Random): (x: number, y: number) => number {
  const centre = { x: between(random, 0, width), y: between(random, 0, height) };
  const radius = between(random, 0.15, 0.5) * width;
  const strength = between(random, 0, 60);
  return (x, y) => strength * Math.exp(-((x - centre.x) ** 2 + (y - centre.y) ** 2) / (2 * radius ** 2));
}

/** Angles of the screens of cyan, magenta, yellow and black in offset printing, degrees. */
const SCREEN_ANGLES = [15, 75, 0, 45].map((degrees) => (degrees * Math.PI) / 180);

/** Office print: four inks in dots, which the lens blurs, on paper with a texture, in a smaller range of colours. */
async function printed(frame: Frame, random: Random): Promise<Frame> {
  const period = between(random, 1.6, 3.2);
  const visible = between(random, 0.25, 0.7);
  const grain = between(random, 2, 6);
  const dots = mapPixels(frame, (pixel, x, y) => {
    const inks = inksOf(pixel);
    const dotted = inks.map((ink, index) => {
      const angle = SCREEN_ANGLES[index] ?? 0;
      const u = (2 * Math.PI * (x * Math.cos(angle) + y * Math.sin(angle))) / period;
      const v = (2 * Math.PI * (y * Math.cos(angle) - x * Math.sin(angle))) / period;
      const raster = (2 + Math.cos(u) + Math.cos(v)) / 4;
      const dot = 1 / (1 + Math.exp(-12 * (ink - raster)));
      return ink + visible * (dot - ink);
    });
    paint(pixel, dotted, grain * normal(random));
  });
  return blurred(dots, between(random, 0.5, 0.9));
}

/** Continuous tone on glossy paper: nothing but the range of colours, a reflection and a second lens. */
async function photoPrinted(frame: Frame, random: Random): Promise<Frame> {
  const glare = reflection(frame, random);
  const toned = mapPixels(frame, (pixel, x, y) => {
    paint(pixel, inksOf(pixel), glare(x, y));
  });
  return blurred(toned, between(random, 0.5, 0.8));
}

function inksOf([red, green, blue]: Pixel): readonly number[] {
  const black = 1 - Math.max(red, green, blue) / 255;
  const rest = Math.max(1e-6, 1 - black);
  return [...[red, green, blue].map((value) => (1 - value / 255 - black) / rest), black];
}

/** Ink is not perfect and paper is not white: colours are paler, shadows lighter. */
function paint(pixel: Pixel, [cyan = 0, magenta = 0, yellow = 0, black = 0]: readonly number[], light: number): void {
  const shade = 1 - 0.88 * black;
  pixel[0] = 238 * shade * (1 - 0.86 * cyan) + light;
  pixel[1] = 236 * shade * (1 - 0.84 * magenta) * (1 - 0.08 * cyan) + light;
  pixel[2] = 228 * shade * (1 - 0.82 * yellow) * (1 - 0.1 * magenta) + light;
}

/** A video on a display: coded at a low rate, shown at another one, with the dark band of its refresh. */
async function replayed(frame: Frame, random: Random): Promise<Frame> {
  const coarse = await resampled(frame, between(random, 0.5, 0.8));
  const coded = await compressed(coarse, Math.round(between(random, 18, 40)));
  const shown = await shownOnScreen(coded, random);
  const top = between(random, 0, frame.height);
  const depth = between(random, 0.05, 0.2);
  const period = frame.height * between(random, 0.6, 1.2);
  return mapPixels(shown, (pixel, _, y) => {
    const light = 1 - depth * (0.5 + 0.5 * Math.cos((2 * Math.PI * (y - top)) / period)) ** 3;
    for (let channel = 0; channel < 3; channel++) pixel[channel] = (pixel[channel] ?? 0) * light;
  });
}

/** A printed face before one's own, with one's own eyes behind the holes. */
async function cutOut({ frame, box, fivePoints }: Live, random: Random): Promise<Frame> {
  const mask = await printed(frame, random);
  const [left, right] = fivePoints;
  const eyes = Math.hypot(right.x - left.x, right.y - left.y);
  const isFace = (x: number, y: number): boolean =>
    ((x - box.x - box.width / 2) / (0.62 * box.width)) ** 2 + ((y - box.y - box.height / 2) / (0.6 * box.height)) ** 2 <
    1;
  const isHole = (x: number, y: number): boolean =>
    [left, right].some((eye) => ((x - eye.x) / (0.3 * eyes)) ** 2 + ((y - eye.y) / (0.16 * eyes)) ** 2 < 1);
  return composite(mask, frame, (x, y) => isFace(x, y) && !isHole(x, y));
}

const bezel: Pixel = [14, 14, 16];
const paper: Pixel = [238, 236, 228];

async function held(
  live: Live,
  random: Random,
  shown: (frame: Frame, random: Random) => Promise<Frame>,
  border: Pixel,
): Promise<Frame> {
  return heldUp(await shown(live.frame, random), await backdropOf(live.frame), { ...live, border, random });
}
