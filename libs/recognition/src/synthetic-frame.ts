import { seededIntegers } from '@sightline/kernel';
import type { Box, FivePoints, Frame } from '@sightline/vision';

// Of another shape than any detector's input, so that the way of fitting it shows.
const WIDTH = 720;
const HEIGHT = 480;

/** Where {@link syntheticFrame} draws its head, pixels. */
export const syntheticHead: Box = { x: 210, y: 110, width: 220, height: 260 };

/** Its face: small enough that what is around it is in the frame too, pixels. */
export const syntheticFace: Box = { x: 265, y: 200, width: 100, height: 110 };

/** Where its eyes, nose and mouth lie: tilted a little, so that alignment has something to undo. */
export const syntheticPoints: FivePoints = [
  { x: 270, y: 214 },
  { x: 366, y: 226 },
  { x: 312, y: 282 },
  { x: 270, y: 318 },
  { x: 350, y: 328 },
];

type Colour = readonly [red: number, green: number, blue: number];
interface Canvas extends Frame {
  readonly next: (below: number) => number;
}

/**
 * A picture for self-tests: coloured blocks, a drawn face and noise. It shows nobody. The colours differ
 * between the channels, so that a swap of them changes what every model sees.
 */
export function syntheticFrame(seed: number): Frame {
  const next = seededIntegers(seed);
  const canvas: Canvas = { width: WIDTH, height: HEIGHT, data: new Uint8Array(WIDTH * HEIGHT * 3).fill(96), next };
  const colour = (): Colour => [next(256), next(256), next(256)];
  for (let block = 0; block < 40; block++) {
    const box = { x: next(WIDTH), y: next(HEIGHT), width: 20 + next(140), height: 20 + next(140) };
    fill(canvas, box, colour(), () => true);
  }
  const { x, y, width, height } = syntheticHead;
  ellipse(canvas, { x, y: y - 20, width, height: height / 2 }, [60 + next(40), 40 + next(30), 20 + next(20)]);
  ellipse(canvas, syntheticHead, [196 + next(30), 150 + next(24), 116 + next(20)]);
  const [leftEye, rightEye, nose, leftMouth, rightMouth] = syntheticPoints;
  for (const eye of [leftEye, rightEye]) {
    ellipse(canvas, around(eye, 44, 10, -24), [70, 48, 36]);
    ellipse(canvas, around(eye, 40, 20, 0), [236, 232, 226]);
    ellipse(canvas, around(eye, 18, 18, 0), [40, 60 + next(40), 70 + next(60)]);
  }
  ellipse(canvas, around(nose, 34, 44, -12), [176 + next(20), 124 + next(16), 96]);
  const mouth = { x: (leftMouth.x + rightMouth.x) / 2, y: (leftMouth.y + rightMouth.y) / 2 };
  ellipse(canvas, around(mouth, 92, 26, 0), [168, 62 + next(20), 70]);
  for (let at = 0; at < canvas.data.length; at++) {
    canvas.data[at] = Math.min(255, Math.max(0, (canvas.data[at] ?? 0) + next(25) - 12));
  }
  return { width: WIDTH, height: HEIGHT, data: canvas.data };
}

function around(point: { readonly x: number; readonly y: number }, width: number, height: number, down: number): Box {
  return { x: point.x - width / 2, y: point.y - height / 2 + down, width, height };
}

function ellipse(canvas: Canvas, box: Box, colour: Colour): void {
  const inside = (x: number, y: number): boolean => {
    const across = (2 * (x - box.x)) / box.width - 1;
    const down = (2 * (y - box.y)) / box.height - 1;
    return across * across + down * down <= 1;
  };
  fill(canvas, box, colour, inside);
}

function fill(canvas: Canvas, box: Box, colour: Colour, inside: (x: number, y: number) => boolean): void {
  const bottom = Math.min(HEIGHT, box.y + box.height);
  const right = Math.min(WIDTH, box.x + box.width);
  for (let y = Math.max(0, Math.floor(box.y)); y < bottom; y++) {
    for (let x = Math.max(0, Math.floor(box.x)); x < right; x++) {
      if (inside(x, y)) canvas.data.set(colour, (y * WIDTH + x) * 3);
    }
  }
}
