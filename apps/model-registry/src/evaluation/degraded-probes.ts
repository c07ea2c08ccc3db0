import type { Frame } from '@sightline/vision';

import type { DataSet, ImagePair } from './data-set.js';
import { degradations } from './degrade.js';
import { embedImages, type EmbeddedFace, type EmbeddedImages, type MeasuredRecogniser } from './embed-images.js';
import { separation, unitSum } from '@sightline/matching';

/** The faces of one way to make pictures worse. */
export interface DegradedRun {
  readonly name: string;
  readonly embedded: EmbeddedImages;
}

export interface Trial {
  readonly data: DataSet;
  readonly clean: EmbeddedImages;
  /** The threshold that each fold is judged at. */
  readonly thresholds: ReadonlyMap<number, number>;
}

/** Embeds the second image of each genuine pair in every bad condition. */
export async function embedDegraded(
  recogniser: MeasuredRecogniser,
  { data, clean }: Trial,
  load: (image: string) => Promise<Frame>,
  onProgress: (what: string) => void,
  signal?: AbortSignal,
): Promise<DegradedRun[]> {
  const probes = [...new Set(genuinePairs(data).map(({ other }) => other))].filter((image) => clean.faces.has(image));
  const runs: DegradedRun[] = [];
  for (const { name, apply } of degradations) {
    onProgress(name);
    const embedded = await embedImages({
      recogniser,
      images: probes,
      ...(signal && { signal }),
      onProgress: () => undefined,
      load: async (image) => {
        const good = clean.faces.get(image);
        const frame = await load(image);
        return good ? apply(frame, good.face) : frame;
      },
    });
    runs.push({ name, embedded });
  }
  return runs;
}

/** Of the genuine pairs of the list, with the first image good and the second degraded: the share above the threshold. */
export function degradedRates(trial: Trial, runs: readonly DegradedRun[]) {
  return [{ name: 'as they are', embedded: trial.clean }, ...runs].map(({ name, embedded }) => {
    const judged = judge(trial, ({ other }) => embedded.faces.get(other)?.probe);
    return {
      name,
      missedFaces: runs.length > 0 && embedded !== trial.clean ? embedded.missed.length : 0,
      tar: percentAccepted(judged),
      medianQuality: medianQuality(trial.data, embedded),
    };
  });
}

/**
 * Several bad shots of one sighting into one probe: each alone, the one of best quality, the sum of all, and
 * the sum weighted by quality. Shots without a face are left out.
 */
export function fusedRates(trial: Trial, runs: readonly DegradedRun[]) {
  const shotsOf = (image: string): readonly EmbeddedFace[] =>
    runs.flatMap(({ embedded }) => embedded.faces.get(image) ?? []);
  const fuse = (name: string, fused: (shots: readonly EmbeddedFace[]) => Float32Array | undefined) => ({
    name,
    tar: percentAccepted(judge(trial, ({ other }) => fused(shotsOf(other)))),
  });
  const vectors = (shots: readonly EmbeddedFace[]): Float32Array[] => shots.map(({ probe }) => probe);
  const byQuality = (shots: readonly EmbeddedFace[], power: number): number[] =>
    shots.map(({ face }) => face.quality ** power + 1e-6);
  const alone = runs.map(({ embedded }) =>
    percentAccepted(judge(trial, ({ other }) => embedded.faces.get(other)?.probe)),
  );
  return [
    { name: 'a single shot, mean', tar: alone.reduce((sum, tar) => sum + tar, 0) / alone.length },
    fuse('the shot of best quality', (shots) => best(shots)?.probe),
    fuse('sum of all shots', (shots) => sumOf(vectors(shots))),
    fuse('sum weighted by quality', (shots) => sumOf(vectors(shots), byQuality(shots, 1))),
    fuse('sum weighted by quality²', (shots) => sumOf(vectors(shots), byQuality(shots, 2))),
  ];
}

const QUALITY_STEPS = [0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.01];

/** Whether quality tells which probes will not be recognised: over all good and bad probes together. */
export function qualityAgainstErrors(trial: Trial, runs: readonly DegradedRun[]) {
  const probes = [trial.clean, ...runs.map(({ embedded }) => embedded)].flatMap((embedded) =>
    judge(trial, ({ other }) => embedded.faces.get(other)?.probe).flatMap(({ pair, accepted, compared }) => {
      const quality = embedded.faces.get(pair.other)?.face.quality;
      return compared && quality !== undefined ? [{ quality, accepted }] : [];
    }),
  );
  const qualities = (accepted: boolean): number[] =>
    probes.filter((probe) => probe.accepted === accepted).map(({ quality }) => quality);
  return {
    /** The chance that a probe that is recognised has the higher quality than one that is not. */
    separation: separation(qualities(true), qualities(false)),
    steps: QUALITY_STEPS.slice(1).map((to, index) => {
      const from = QUALITY_STEPS[index] ?? 0;
      const within = probes.filter(({ quality }) => quality >= from && quality < to);
      const refused = within.filter(({ accepted }) => !accepted).length;
      return { from, to, probes: within.length, notRecognised: (100 * refused) / within.length };
    }),
  };
}

interface JudgedPair {
  readonly pair: ImagePair;
  readonly accepted: boolean;
  /** Whether both images have a face. */
  readonly compared: boolean;
}

/** A pair without a face is not accepted. */
function judge(
  { data, clean, thresholds }: Trial,
  probeOf: (pair: ImagePair) => Float32Array | undefined,
): JudgedPair[] {
  return genuinePairs(data).map((pair) => {
    const enrolled = clean.faces.get(pair.one)?.enrolled;
    const probe = probeOf(pair);
    if (enrolled === undefined || probe === undefined) return { pair, accepted: false, compared: false };
    const score = enrolled.reduce((sum, component, at) => sum + component * (probe[at] ?? 0), 0);
    return { pair, accepted: score > (thresholds.get(pair.fold) ?? 1), compared: true };
  });
}

function genuinePairs({ pairs }: DataSet): ImagePair[] {
  return pairs.filter(({ same }) => same);
}

function percentAccepted(judged: readonly JudgedPair[]): number {
  return (100 * judged.filter(({ accepted }) => accepted).length) / judged.length;
}

function medianQuality(data: DataSet, { faces }: EmbeddedImages): number {
  const rising = genuinePairs(data)
    .flatMap(({ other }) => faces.get(other)?.face.quality ?? [])
    .sort((a, b) => a - b);
  return rising[Math.floor(rising.length / 2)] ?? 0;
}

function best(shots: readonly EmbeddedFace[]): EmbeddedFace | undefined {
  return [...shots].sort((one, other) => other.face.quality - one.face.quality)[0];
}

function sumOf(vectors: readonly Float32Array[], weights?: readonly number[]): Float32Array | undefined {
  return vectors.length === 0 ? undefined : unitSum(vectors, weights);
}
