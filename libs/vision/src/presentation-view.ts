import { boxToFrame, type Affine } from './affine.js';
import { squareAround } from './boxes.js';
import type { Box } from './frame.js';

/** What a presentation-attack model wants to see of a face. */
export interface PresentationViewSpec {
  readonly input: { readonly width: number; readonly height: number };
  /** Side of the square crop over the longer side of the box. */
  readonly cropScale: number;
}

/**
 * A face and what is around it: the edges of paper, a screen's frame, the hands that hold it.
 *
 * @param box as the detector found it
 * @returns from pixels of the model's input to pixels of the frame
 */
export function presentationView(
  box: Box,
  _frame: { readonly width: number; readonly height: number },
  { input, cropScale }: PresentationViewSpec,
): Affine {
  return boxToFrame(squareAround(box, Math.max(box.width, box.height) * cropScale), input.width, input.height);
}
