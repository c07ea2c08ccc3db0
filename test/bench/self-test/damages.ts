import type { ReleaseManifest, VerifiedBundle } from '@sightline/contracts';
import { seededIntegers } from '@sightline/kernel';
import { bundleOf } from '@sightline/testing';

/** A way in which a release is not what it says. */
export interface Damage {
  readonly kind: string;
  readonly name: string;
  readonly bundle: VerifiedBundle;
  /** What it changes: a damaged embedder needs no new crops, a calibration no new vectors. */
  readonly reaches: 'crops' | 'embeddings' | 'thresholds';
}

type Task = 'detector' | 'landmarks' | 'embedder';
type Random = (below: number) => number;

const SEED = 20_261_122;
const DAMAGES = 200;
/** Bits that are flipped at once. */
const FLIPS = [1, 1, 8, 64, 512];
/** Bytes that change places: slices of weights. */
const SLICES = [256, 1024, 4096, 16_384];

/**
 * 200 damaged copies of a release, drawn from a seed.
 *
 * @param foreign thresholds of another variant
 */
export async function damagesOf(
  bundle: VerifiedBundle,
  foreign: ReleaseManifest['calibration'],
): Promise<readonly Damage[]> {
  const random = seededIntegers(SEED);
  const others = [
    ...swappedInputs(bundle),
    ...(await swappedWeights(bundle, random)),
    ...wrongNormalisation(bundle),
    ...wrongTemplates(bundle),
    ...wrongThresholds(bundle, foreign),
  ];
  return [...(await flippedBits(bundle, random, DAMAGES - others.length)), ...others];
}

function changed(bundle: VerifiedBundle, change: Partial<ReleaseManifest>, what: Omit<Damage, 'bundle'>): Damage {
  return { ...what, bundle: bundleOf({ ...bundle.manifest, ...change }, (target) => bundle.read(target)) };
}

/** The embedder as often as the two others together: its weights are what tells people apart. */
function taskOf(at: number): Task {
  return (['embedder', 'landmarks', 'embedder', 'detector'] as const)[at % 4] ?? 'embedder';
}

async function withBytes(
  bundle: VerifiedBundle,
  task: Task,
  change: (bytes: Uint8Array) => void,
): Promise<VerifiedBundle> {
  const { target } = bundle.manifest[task];
  const bytes = Uint8Array.from(await bundle.read(target));
  change(bytes);
  return bundleOf(bundle.manifest, (wanted) => (wanted === target ? Promise.resolve(bytes) : bundle.read(wanted)));
}

function reachOf(task: Task): Damage['reaches'] {
  return task === 'embedder' ? 'embeddings' : 'crops';
}

async function flippedBits(bundle: VerifiedBundle, random: Random, count: number): Promise<Damage[]> {
  const damages: Damage[] = [];
  for (let at = 0; at < count; at += 1) {
    const task = taskOf(at);
    const bits = FLIPS[at % FLIPS.length] ?? 1;
    const damaged = await withBytes(bundle, task, (bytes) => {
      for (let bit = 0; bit < bits; bit += 1) {
        const place = random(bytes.length);
        bytes[place] = (bytes[place] ?? 0) ^ (1 << random(8));
      }
    });
    damages.push({ kind: 'bit flips', name: `${task}: ${bits}`, bundle: damaged, reaches: reachOf(task) });
  }
  return damages;
}

async function swappedWeights(bundle: VerifiedBundle, random: Random): Promise<Damage[]> {
  const damages: Damage[] = [];
  for (let at = 0; at < 24; at += 1) {
    const task = taskOf(at);
    const length = SLICES[at % SLICES.length] ?? 256;
    const damaged = await withBytes(bundle, task, (bytes) => {
      const [one, other] = [random(bytes.length - length), random(bytes.length - length)];
      const kept = bytes.slice(one, one + length);
      bytes.copyWithin(one, other, other + length);
      bytes.set(kept, other);
    });
    damages.push({
      kind: 'swapped channels',
      name: `${task}: ${length} bytes`,
      bundle: damaged,
      reaches: reachOf(task),
    });
  }
  return damages;
}

function withInput(bundle: VerifiedBundle, task: Task, input: Partial<ReleaseManifest['embedder']['spec']['input']>) {
  const model = bundle.manifest[task];
  return { [task]: { ...model, spec: { ...model.spec, input: { ...model.spec.input, ...input } } } };
}

function swappedInputs(bundle: VerifiedBundle): Damage[] {
  return (['detector', 'embedder'] as const).map((task) => {
    const channels = bundle.manifest[task].spec.input.channels === 'rgb' ? 'bgr' : 'rgb';
    const what = { kind: 'swapped channels', name: `${task}: ${channels}`, reaches: reachOf(task) };
    return changed(bundle, withInput(bundle, task, { channels }), what);
  });
}

function wrongNormalisation(bundle: VerifiedBundle): Damage[] {
  return (['detector', 'landmarks', 'embedder'] as const).flatMap((task) => {
    const { mean, scale } = bundle.manifest[task].spec.input;
    const moved = [-64, -16, 4, 16, 64].map((by) => ({ mean: mean.map((value) => value + by) }));
    const scaled = [0.5, 0.8, 1.25, 2].map((by) => ({ scale: scale.map((value) => value * by) }));
    return [...moved, ...scaled].map((input) => {
      const what = { kind: 'wrong normalisation', name: `${task}: ${JSON.stringify(input)}`, reaches: reachOf(task) };
      return changed(bundle, withInput(bundle, task, input), what);
    });
  });
}

type Template = ReleaseManifest['embedder']['spec']['alignmentTemplate'];

function wrongTemplates(bundle: VerifiedBundle): Damage[] {
  const { embedder } = bundle.manifest;
  const { alignmentTemplate, input } = embedder.spec;
  const centre = input.width / 2;
  const each = (move: (x: number, y: number) => readonly [number, number]): Template =>
    alignmentTemplate.map(([x, y]) => [...move(x, y)]) as Template;
  const shifts = [-8, -4, -2, -1, 1, 2, 4, 8].flatMap((by) => [
    each((x, y) => [x + by, y]),
    each((x, y) => [x, y + by]),
  ]);
  const sizes = [0.8, 0.9, 1.1, 1.2].map((by) =>
    each((x, y) => [centre + by * (x - centre), centre + by * (y - centre)]),
  );
  const mirrored = each((x, y) => [input.width - x, y]);
  return [...shifts, ...sizes, mirrored].map((template, at) => {
    const spec = { ...embedder.spec, alignmentTemplate: template };
    const what = { kind: 'wrong alignment template', name: `template ${at + 1}`, reaches: 'crops' as const };
    return changed(bundle, { embedder: { ...embedder, spec } }, what);
  });
}

function wrongThresholds(bundle: VerifiedBundle, foreign: ReleaseManifest['calibration']): Damage[] {
  const own = bundle.manifest.calibration;
  const moved = [-0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2].map((by) => ({
    ...own,
    points: own.points.map(({ falseMatchRate, threshold }) => ({ falseMatchRate, threshold: threshold + by })),
  }));
  const relabelled = { ...foreign, variantDigest: own.variantDigest };
  return [foreign, relabelled, ...moved].map((calibration, at) => {
    const name = at === 0 ? "another variant's" : at === 1 ? "another variant's, relabelled" : 'edited';
    return changed(bundle, { calibration }, { kind: 'foreign thresholds', name, reaches: 'thresholds' });
  });
}
