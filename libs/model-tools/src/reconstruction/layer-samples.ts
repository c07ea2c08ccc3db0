import type { OnnxModel } from '../graph.js';
import type { ModelOutputs, ProofTensor } from '../run-model.js';
import type { Layer } from './layer.js';
import { NormalEquations } from './normal-equations.js';
import { copyPatch, patchSize, placesOf } from './patches.js';
import type { StagedRun } from './staged-run.js';

/** Places of a layer's output that are looked at in one input. */
const PLACES = 8;

export interface LayerSamples {
  readonly fit: NormalEquations;
  readonly check: NormalEquations;
}

/** A model and the inputs that it is run on. */
export interface Side {
  readonly model: OnnxModel;
  readonly run: StagedRun;
}

/** The teacher's values at the sampled places of each input: [inputs, places, channels]. */
interface Targets {
  readonly width: number;
  readonly places: (input: number) => readonly number[];
  readonly values: Float32Array;
  readonly stride: number;
}

/**
 * The least-squares problem of a layer: from what the student's layer sees (and
 * 1, for the bias) to what the teacher has there, less what other branches give already.
 *
 * @param channels the teacher's channels that the student still has, of the target; undefined: all
 * @param isCheck which inputs say how well a solution does elsewhere, and are not solved from
 */
export async function layerSamples(
  layer: Layer,
  teacher: Side,
  student: Side,
  channels: readonly number[] | undefined,
  isCheck: (input: number) => boolean,
  signal?: AbortSignal,
): Promise<LayerSamples> {
  const { geometry, input, other } = layer;
  const outputs = geometry.channels[0];
  const targets = await targetsOf(layer, teacher, channels, signal);
  const features = layer.biasAlone ? 1 : patchSize(geometry) + 1;
  const sample = new Float64Array(features + outputs);
  sample[features - 1] = 1;
  const samples = { fit: new NormalEquations(features, outputs), check: new NormalEquations(features, outputs) };
  const visit = (seen: ModelOutputs, index: number): void => {
    const seenInput = seen.get(input);
    const seenOther = other === undefined ? undefined : seen.get(other);
    if (seenInput === undefined) return;
    const equations = isCheck(index) ? samples.check : samples.fit;
    targets.places(index).forEach((place, number) => {
      const start = (index * targets.stride + number) * outputs;
      if (!layer.biasAlone) copyPatch(seenInput, geometry, place, targets.width, sample);
      for (let output = 0; output < outputs; output++) {
        const target = targets.values[start + output] ?? 0;
        sample[features + output] = target - (seenOther ? valueAt(seenOther, output, place) : 0);
      }
      equations.add(sample);
    });
  };
  await student.run.observe(student.model, other === undefined ? [input] : [input, other], visit, signal);
  return samples;
}

async function targetsOf(
  { geometry, target, node }: Layer,
  { model, run }: Side,
  channels: readonly number[] | undefined,
  signal?: AbortSignal,
): Promise<Targets> {
  const outputs = geometry.channels[0];
  const values = new Float32Array(run.size * PLACES * outputs);
  let [plane, width] = [0, 0];
  const places = (input: number): readonly number[] => placesOf(plane, PLACES, input + node * run.size);
  const visit = (seen: ModelOutputs, index: number): void => {
    const tensor = seen.get(target);
    if (tensor === undefined) return;
    const [, , height = 1, columns = 1] = tensor.shape;
    [plane, width] = [height * columns, columns];
    places(index).forEach((place, number) => {
      const start = (index * PLACES + number) * outputs;
      for (let output = 0; output < outputs; output++) {
        values[start + output] = valueAt(tensor, channels ? (channels[output] ?? 0) : output, place);
      }
    });
  };
  await run.observe(model, [target], visit, signal);
  return { width, places, values, stride: PLACES };
}

function valueAt({ shape, values }: ProofTensor, channel: number, place: number): number {
  const [, , height = 1, width = 1] = shape;
  return values[channel * height * width + place] ?? 0;
}
