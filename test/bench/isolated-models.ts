import type { InputSpec, VerifiedBundle } from '@sightline/contracts';
import { fetchCatalogFiles } from '@sightline/model-catalog';
import { WorkerPool } from '@sightline/onnx-runtime';
import type { Face } from '@sightline/recognition';
import { modelStoreDirectory } from '@sightline/testing';
import type { Frame } from '@sightline/vision';
import sharp from 'sharp';

import type { IsolatedCalls, IsolatedModels, ModelInput } from './isolated-models-worker.js';
import { fastest, processCpuMs } from './statistics.js';

/** Models of the path from a frame to templates. */
type FloorModel = 'detector' | 'landmarks' | 'embedder';
export type PerModel<Value> = Readonly<Record<FloorModel, Value>>;

/** Runs of one model, one after the other. */
export interface ModelRuns {
  readonly ms: readonly number[];
  /** CPU time of the whole process a run. */
  readonly cpuMs: number;
}

/** RGB bytes of the input's size as its tensor; our own conversion is a part of what is measured. */
function inputOf(rgb: Uint8Array, { width, height, channels, mean, scale }: InputSpec): ModelInput {
  const planes = { rgb: [0, 1, 2], bgr: [2, 1, 0], grey: [1] }[channels];
  const pixels = width * height;
  const data = new Float32Array(planes.length * pixels);
  for (const [plane, channel] of planes.entries()) {
    const [offset = 0, divisor = 1] = [mean[plane] ?? mean[0], scale[plane] ?? scale[0]];
    for (let pixel = 0; pixel < pixels; pixel++) {
      data[plane * pixels + pixel] = ((rgb[pixel * 3 + channel] ?? 0) - offset) / divisor;
    }
  }
  return { shape: [1, planes.length, height, width], data };
}

async function resized({ width, height, data }: Frame, to: InputSpec, box?: Face['box']): Promise<Uint8Array> {
  const picture = sharp(Uint8Array.from(data), { raw: { width, height, channels: 3 } });
  if (box) {
    const [left, top] = [Math.max(0, Math.round(box.x)), Math.max(0, Math.round(box.y))];
    picture.extract({ left, top, width: Math.round(box.width), height: Math.round(box.height) });
  }
  return picture.resize(to.width, to.height, { fit: 'fill' }).raw().toBuffer();
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((component) => component / length);
}

/** Runs of the models alone, in a worker thread as the recogniser has them, on real pixels. */
export class IsolatedModelRuns {
  readonly #pool: WorkerPool<IsolatedCalls>;
  readonly #embedderInput: InputSpec;

  private constructor(pool: WorkerPool<IsolatedCalls>, embedderInput: InputSpec) {
    this.#pool = pool;
    this.#embedderInput = embedderInput;
  }

  /** @param face a face of `frame`, found by the recogniser */
  static async start(bundle: VerifiedBundle, frame: Frame, face: Face): Promise<IsolatedModelRuns> {
    const { detector, landmarks, embedder } = bundle.manifest;
    const shipped = (await fetchCatalogFiles({ storeDirectory: modelStoreDirectory })).get('embedder');
    if (shipped === undefined) throw new Error('the catalog has no embedder');
    const whole = inputOf(await resized(frame, detector.spec.input), detector.spec.input);
    const crop = inputOf(await resized(frame, landmarks.spec.input, face.box), landmarks.spec.input);
    const aligned = inputOf(face.aligned, embedder.spec.input);
    const models: IsolatedModels = {
      detector: { bytes: await bundle.read(detector.target), input: whole, asShipped: false },
      landmarks: { bytes: await bundle.read(landmarks.target), input: crop, asShipped: false },
      embedder: { bytes: await bundle.read(embedder.target), input: aligned, asShipped: false },
      shipped: { bytes: shipped.bytes, input: aligned, asShipped: true },
    };
    const module = new URL('./isolated-models-worker.js', import.meta.url);
    const pool = new WorkerPool<IsolatedCalls>({ name: 'isolated models', module, workerData: models });
    await pool.start();
    return new IsolatedModelRuns(pool, embedder.spec.input);
  }

  async time(runs: PerModel<number>): Promise<PerModel<ModelRuns>> {
    const time = async (model: FloorModel): Promise<ModelRuns> => {
      const before = processCpuMs();
      const ms = await this.#pool.call('time', { model, runs: runs[model] });
      return { ms, cpuMs: (processCpuMs() - before) / runs[model] };
    };
    return { detector: await time('detector'), landmarks: await time('landmarks'), embedder: await time('embedder') };
  }

  /**
   * The embedder as npm has it against the imported one, in turns.
   *
   * @returns the fastest run of each in each round, ms
   */
  async compareEmbedders(rounds: number): Promise<{ readonly shipped: number[]; readonly imported: number[] }> {
    const shipped: number[] = [];
    const imported: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const ofShipped = fastest(await this.#pool.call('time', { model: 'shipped', runs: 5 }));
      const ofImported = fastest(await this.#pool.call('time', { model: 'embedder', runs: 5 }));
      if (round === 0) continue; // warms up
      shipped.push(ofShipped);
      imported.push(ofImported);
    }
    return { shipped, imported };
  }

  /** How far the two embedders' unit vectors for a face lie apart: the largest difference of a component. */
  async embeddingDifference({ aligned }: Face): Promise<number> {
    const input = inputOf(aligned, this.#embedderInput);
    const one = unit(await this.#pool.call('run', { model: 'shipped', input }));
    const other = unit(await this.#pool.call('run', { model: 'embedder', input }));
    return one.reduce((largest, value, at) => Math.max(largest, Math.abs(value - (other[at] ?? Number.NaN))), 0);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

export function perModel<Value>(of: (model: FloorModel) => Value): PerModel<Value> {
  return { detector: of('detector'), landmarks: of('landmarks'), embedder: of('embedder') };
}
