import { AppError } from '@sightline/kernel';

import { suppressNonMaxima, type Detection } from './boxes.js';
import type { Box, Frame } from './frame.js';
import type { InputFormat } from './tensor-input.js';

/** A float32 output of a model. */
export interface OutputTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}
export type OutputTensors = Readonly<Record<string, OutputTensor>>;

export interface DetectorFormat {
  readonly decoder: 'ssd-decoded' | 'yunet';
  readonly input: InputFormat;
  /** How the frame fills the input: stretched, or scaled evenly from the upper left corner. */
  readonly fit: 'stretch' | 'contain';
  readonly scoreThreshold: number;
  readonly nmsThreshold: number;
}

/** The rectangle of the frame that fills the detector's input; with 'contain' it reaches over the frame. */
export function detectorView(frame: Pick<Frame, 'width' | 'height'>, { input, fit }: DetectorFormat): Box {
  if (fit === 'stretch') return { x: 0, y: 0, width: frame.width, height: frame.height };
  const scale = Math.max(frame.width / input.width, frame.height / input.height);
  return { x: 0, y: 0, width: input.width * scale, height: input.height * scale };
}

/**
 * Reads a detector's outputs: candidates of at least the spec's score, after non-maximum suppression.
 *
 * @param view what the input showed: boxes are returned in pixels of the frame
 * @returns surest first
 * @throws AppError `MODEL.INVALID` when an output is missing or has another shape than the decoder's
 */
export function decodeDetections(outputs: OutputTensors, format: DetectorFormat, view: Box): Detection[] {
  const decode = format.decoder === 'ssd-decoded' ? decodeSsd : decodeYunet;
  const { width, height } = format.input;
  const candidates = decode(outputs, format).map(({ box, score }) => ({
    score,
    box: {
      x: view.x + (box.x / width) * view.width,
      y: view.y + (box.y / height) * view.height,
      width: (box.width / width) * view.width,
      height: (box.height / height) * view.height,
    },
  }));
  return suppressNonMaxima(candidates, format.nmsThreshold);
}

/**
 * `scores` [1, n, 2] (background, face) and `boxes` [1, n, 4] (left, top, right, bottom; 0 to 1 of the
 * input): the export of "Ultra-Light-Fast-Generic-Face-Detector-1MB".
 */
function decodeSsd(outputs: OutputTensors, { input, scoreThreshold }: DetectorFormat): Detection[] {
  const scores = output(outputs, 'scores', 2);
  const boxes = output(outputs, 'boxes', 4);
  if (boxes.length !== scores.length * 2) throw unexpected('boxes');
  const detections: Detection[] = [];
  for (let candidate = 0; candidate < scores.length / 2; candidate++) {
    const score = at(scores, candidate * 2 + 1);
    if (!(score >= scoreThreshold)) continue;
    const left = at(boxes, candidate * 4) * input.width;
    const top = at(boxes, candidate * 4 + 1) * input.height;
    const width = at(boxes, candidate * 4 + 2) * input.width - left;
    const height = at(boxes, candidate * 4 + 3) * input.height - top;
    if (width > 0 && height > 0) detections.push({ score, box: { x: left, y: top, width, height } });
  }
  return detections;
}

const YUNET_STRIDES = [8, 16, 32] as const;

/**
 * Per stride s: `cls_s`, `obj_s` [1, n, 1] and `bbox_s` [1, n, 4], n = (width / s) · (height / s), row by row.
 * Score √(cls · obj), centre (column + dx, row + dy) · s, size exp · s: OpenCV's face_detect.cpp.
 */
function decodeYunet(outputs: OutputTensors, { input, scoreThreshold }: DetectorFormat): Detection[] {
  const detections: Detection[] = [];
  for (const stride of YUNET_STRIDES) {
    const columns = Math.floor(input.width / stride);
    const count = columns * Math.floor(input.height / stride);
    const classes = output(outputs, `cls_${stride}`, 1);
    const objects = output(outputs, `obj_${stride}`, 1);
    const boxes = output(outputs, `bbox_${stride}`, 4);
    if (classes.length !== count || objects.length !== count || boxes.length !== count * 4) {
      throw unexpected(`bbox_${stride}`);
    }
    for (let cell = 0; cell < count; cell++) {
      const score = Math.sqrt(unit(at(classes, cell)) * unit(at(objects, cell)));
      if (!(score >= scoreThreshold)) continue;
      const width = Math.exp(at(boxes, cell * 4 + 2)) * stride;
      const height = Math.exp(at(boxes, cell * 4 + 3)) * stride;
      const centreX = ((cell % columns) + at(boxes, cell * 4)) * stride;
      const centreY = (Math.floor(cell / columns) + at(boxes, cell * 4 + 1)) * stride;
      detections.push({ score, box: { x: centreX - width / 2, y: centreY - height / 2, width, height } });
    }
  }
  return detections;
}

function unit(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** The values of an output whose last dimension is `components`. */
function output(outputs: OutputTensors, name: string, components: number): Float32Array {
  const tensor = outputs[name];
  if (tensor?.shape.at(-1) !== components) throw unexpected(name);
  return tensor.data;
}

function unexpected(name: string): AppError {
  return new AppError('MODEL.INVALID', `The detector's output ${name} is missing or has another shape.`, {
    details: { output: name },
  });
}

/** Indices lie within the lengths that were checked: the fallback is never taken. */
function at(values: Float32Array, index: number): number {
  return values[index] ?? Number.NaN;
}
