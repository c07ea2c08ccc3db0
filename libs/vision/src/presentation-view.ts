import { boxToFrame, type Affine } from './affine.js';
import type { Box } from './frame.js';

/** What a presentation-attack model wants to see of a face. */
export interface PresentationViewSpec {
  readonly input: { readonly width: number; readonly height: number };
  /** Sides of the crop over those of the box. */
  readonly cropScale: number;
}

/**
 * A face and what is around it: the edges of paper, a screen's frame, the hands that hold it. The crop has the box's
 * proportions and `cropScale` times its size, or as much of it as the frame has room for, and is moved into the
 * frame: pixels that no camera saw make such a model see anything (`npm run bench:pad`).
 *
 * @param box as the detector found it, with an area
 * @returns from pixels of the model's input to pixels of the frame
 */
export function presentationView(
  { x, y, width, height }: Box,
  frame: { readonly width: number; readonly height: number },
  { input, cropScale }: PresentationViewSpec,
): Affine {
  const scale = Math.min(cropScale, frame.width / width, frame.height / height);
  const crop = { width: width * scale, height: height * scale };
  return boxToFrame(
    {
      ...crop,
      x: within(x + (width - crop.width) / 2, frame.width - crop.width),
      y: within(y + (height - crop.height) / 2, frame.height - crop.height),
    },
    input.width,
    input.height,
  );
}

function within(start: number, latest: number): number {
  return Math.max(0, Math.min(start, latest));
}
