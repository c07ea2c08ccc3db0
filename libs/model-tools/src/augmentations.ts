import type { ProofInput, ProofTensor } from './run-model.js';

/** Inputs that are made when they are asked for, always the same. */
export interface InputSet {
  readonly size: number;
  at(index: number): ProofInput;
}

export function* eachInput(inputs: InputSet): Generator<ProofInput> {
  for (let index = 0; index < inputs.size; index++) yield inputs.at(index);
}

interface Augmentation {
  readonly mirrored?: boolean;
  /** Pixels to the right and down; the edge is repeated. */
  readonly shift?: readonly [number, number];
  /** Radius of a box blur in pixels. */
  readonly blur?: number;
  /** Factor of the distance from the image's mean. */
  readonly contrast?: number;
  /** Added, in standard deviations of the image. */
  readonly brightness?: number;
}

/** What a camera does to a face from one frame to the next, mildly. */
const augmentations: readonly Augmentation[] = [
  { mirrored: true },
  { shift: [2, -1], brightness: -0.25 },
  { mirrored: true, blur: 1 },
  { shift: [-2, 1], contrast: 1.2 },
  { mirrored: true, shift: [1, 2], brightness: 0.25 },
  { contrast: 0.75, shift: [-1, -2] },
  { mirrored: true, shift: [-3, 0], contrast: 0.85, brightness: 0.15 },
  { blur: 1, shift: [0, 3], contrast: 1.1 },
];

/**
 * The inputs, and variants of each after them: mirrored, shifted, blurred, brighter or darker, of more or less
 * contrast. A tensor that is no image ([1, channels, height, width]) stays as it is.
 *
 * @param copies variants of each input, 0 to 8
 */
export function withAugmentations(inputs: readonly ProofInput[], copies: number): InputSet {
  const kinds = augmentations.slice(0, copies);
  return {
    size: inputs.length * (1 + kinds.length),
    at: (index) => {
      const input = inputs[index % inputs.length] ?? [];
      const kind = kinds[Math.floor(index / inputs.length) - 1];
      return kind ? input.map((tensor) => augmented(tensor, kind)) : input;
    },
  };
}

function augmented(tensor: ProofTensor, kind: Augmentation): ProofTensor {
  const [, , height = 0, width = 0] = tensor.shape;
  if (tensor.shape.length !== 4 || height < 2 || width < 2) return tensor;
  const moved = moveAndBlur(tensor, height, width, kind);
  return { shape: tensor.shape, values: relit(moved, kind) };
}

function moveAndBlur(
  { values }: ProofTensor,
  height: number,
  width: number,
  { mirrored = false, shift = [0, 0], blur = 0 }: Augmentation,
): Float32Array {
  const [right, down] = shift;
  const result = new Float32Array(values.length);
  const area = (2 * blur + 1) ** 2;
  const row = (y: number): number => Math.min(height - 1, Math.max(0, y - down)) * width;
  const column = (x: number): number => {
    const source = Math.min(width - 1, Math.max(0, x - right));
    return mirrored ? width - 1 - source : source;
  };
  for (let index = 0; index < values.length; index++) {
    const x = index % width;
    const y = Math.floor(index / width) % height;
    const plane = Math.floor(index / (width * height)) * width * height;
    let sum = 0;
    for (let dy = -blur; dy <= blur; dy++) {
      const start = plane + row(y + dy);
      for (let dx = -blur; dx <= blur; dx++) sum += values[start + column(x + dx)] ?? 0;
    }
    result[index] = sum / area;
  }
  return result;
}

/** Keeps to the range of the image's own values, beyond which no pixel can be. */
function relit(values: Float32Array, { contrast = 1, brightness = 0 }: Augmentation): Float32Array {
  if (contrast === 1 && brightness === 0) return values;
  let [sum, squares, least, most] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    sum += value;
    squares += value * value;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const mean = sum / values.length;
  const offset = brightness * Math.sqrt(Math.max(0, squares / values.length - mean * mean));
  return values.map((value) => Math.min(most, Math.max(least, mean + (value - mean) * contrast + offset)));
}
