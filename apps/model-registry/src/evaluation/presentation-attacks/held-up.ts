import type { Box, Frame } from '@sightline/vision';

import { between, blurred, mapPixels, mirroredFrame, type Pixel, type Random } from './pixels.js';

/** What is behind somebody who holds something up: another scene, out of focus. */
export async function backdropOf(frame: Frame): Promise<Frame> {
  return blurred(await mirroredFrame(frame), 3);
}

export interface HoldingUp {
  /** Of the face in the picture that is held up. */
  readonly box: Box;
  /** The colour of its rim. */
  readonly border: Pixel;
  readonly random: Random;
}

/** A picture of a head, with a rim, a little turned, before a backdrop. All of one size. */
export function heldUp(shown: Frame, backdrop: Frame, { box, border, random }: HoldingUp): Frame {
  const turn = between(random, -0.15, 0.15);
  const half = { x: 0.5 * between(random, 1.4, 1.8) * box.width, y: 0.5 * between(random, 1.4, 1.8) * box.height };
  const rim = between(random, 0.06, 0.14) * box.width;
  const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  return mapPixels(backdrop, (pixel, x, y) => {
    const across = (x - centre.x) * Math.cos(turn) + (y - centre.y) * Math.sin(turn);
    const down = (y - centre.y) * Math.cos(turn) - (x - centre.x) * Math.sin(turn);
    const outside = Math.max(Math.abs(across) - half.x, Math.abs(down) - half.y);
    if (outside > rim) return;
    const at = (y * shown.width + x) * 3;
    for (let channel = 0; channel < 3; channel++) {
      pixel[channel] = outside > 0 ? (border[channel] ?? 0) : (shown.data[at + channel] ?? 0);
    }
  });
}
