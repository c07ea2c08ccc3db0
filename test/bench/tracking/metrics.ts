import { heaviestMatching, intersectionOverUnion, type Box } from '@sightline/vision';

/** A box with the identity that it is said to have. */
export interface Labelled {
  readonly id: number;
  readonly box: Box;
}

/** What a frame shows and what a tracker made of it. Within one list no identity comes twice. */
export interface ScoredFrame {
  readonly truth: readonly Labelled[];
  /** Faces that nobody can be asked to see: finding them is no fault, and missing them is none. */
  readonly ignored?: readonly Labelled[];
  readonly output: readonly Labelled[];
}

/** Counts over frames; those of several films add up. */
export interface TrackingCounts {
  readonly truth: number;
  readonly output: number;
  readonly misses: number;
  readonly falsePositives: number;
  readonly identitySwitches: number;
  /** Boxes whose identity is right under the best pairing of true and reported identities over the whole film. */
  readonly identityTruePositives: number;
}

/** A reported box is where the true one is, from this intersection over union on. */
const SAME_PLACE = 0.5;

export const noCounts: TrackingCounts = {
  truth: 0,
  output: 0,
  misses: 0,
  falsePositives: 0,
  identitySwitches: 0,
  identityTruePositives: 0,
};

export function addCounts(one: TrackingCounts, other: TrackingCounts): TrackingCounts {
  return {
    truth: one.truth + other.truth,
    output: one.output + other.output,
    misses: one.misses + other.misses,
    falsePositives: one.falsePositives + other.falsePositives,
    identitySwitches: one.identitySwitches + other.identitySwitches,
    identityTruePositives: one.identityTruePositives + other.identityTruePositives,
  };
}

/** 1 − (misses + false positives + identity switches) / true boxes: Bernardin and Stiefelhagen 2008, section 2.1.3. */
export function mota({ truth, misses, falsePositives, identitySwitches }: TrackingCounts): number {
  return 1 - (misses + falsePositives + identitySwitches) / truth;
}

/** 2 IDTP / (true boxes + reported boxes): Ristani et al. 2016, equation 11. */
export function idf1({ truth, output, identityTruePositives }: TrackingCounts): number {
  return (2 * identityTruePositives) / (truth + output);
}

/** Counts one film. */
export function countTracking(frames: readonly ScoredFrame[]): TrackingCounts {
  const scored = frames.map(withoutIgnored);
  const sum = (of: (frame: ScoredFrame) => number): number => scored.reduce((total, frame) => total + of(frame), 0);
  return {
    truth: sum(({ truth }) => truth.length),
    output: sum(({ output }) => output.length),
    ...clearMot(scored),
    identityTruePositives: identityTruePositives(scored),
  };
}

/** Takes reported boxes out that lie on ignored faces rather than on others, as the MOT Challenge does (Milan et al. 2016). */
export function withoutIgnored({ truth, ignored = [], output }: ScoredFrame): ScoredFrame {
  if (ignored.length === 0) return { truth, output };
  const all = [...truth, ...ignored];
  const pairs = heaviestMatching(output.map(({ box }) => all.map((other) => overlapAt(box, other.box))));
  return { truth, output: output.filter((_, index) => (pairs[index] ?? 0) < truth.length) };
}

/** The mapping of section 2.1.2: pairs of the frame before stay while they are valid, then the best of the rest. */
function clearMot(
  frames: readonly ScoredFrame[],
): Pick<TrackingCounts, 'misses' | 'falsePositives' | 'identitySwitches'> {
  const counts = { misses: 0, falsePositives: 0, identitySwitches: 0 };
  /** The identity that was last reported for each true one; outlives frames in which it was missed. */
  const reported = new Map<number, number>();
  for (const { truth, output } of frames) {
    const pairs = new Map<Labelled, Labelled>();
    const taken = new Set<Labelled>();
    for (const face of truth) {
      const same = output.find(({ id }) => id === reported.get(face.id));
      if (!same || taken.has(same) || overlapAt(face.box, same.box) === 0) continue;
      pairs.set(face, same);
      taken.add(same);
    }
    const freeTruth = truth.filter((face) => !pairs.has(face));
    const freeOutput = output.filter((face) => !taken.has(face));
    const weights = freeTruth.map(({ box }) => freeOutput.map((other) => overlapAt(box, other.box)));
    for (const [row, column] of heaviestMatching(weights).entries()) {
      const face = freeTruth[row];
      const found = column === undefined ? undefined : freeOutput[column];
      if (!face || !found) continue;
      pairs.set(face, found);
      if (reported.has(face.id) && reported.get(face.id) !== found.id) counts.identitySwitches += 1;
    }
    for (const [face, found] of pairs) reported.set(face.id, found.id);
    counts.misses += truth.length - pairs.size;
    counts.falsePositives += output.length - pairs.size;
  }
  return counts;
}

/** Section 4.1: each true identity is paired with one reported identity, so that most boxes agree. */
function identityTruePositives(frames: readonly ScoredFrame[]): number {
  const together = countTogether(frames);
  const reported = [...new Set([...together.values()].flatMap((counts) => [...counts.keys()]))];
  const weights = [...together.values()].map((counts) => reported.map((id) => counts.get(id) ?? 0));
  return heaviestMatching(weights).reduce<number>(
    (total, column, row) => total + (column === undefined ? 0 : (weights[row]?.[column] ?? 0)),
    0,
  );
}

/** In how many frames each true identity lies where each reported one lies. */
export function countTogether(frames: readonly ScoredFrame[]): Map<number, Map<number, number>> {
  const together = new Map<number, Map<number, number>>();
  for (const { truth, output } of frames) {
    for (const face of truth) {
      const counts = together.get(face.id) ?? new Map<number, number>();
      together.set(face.id, counts);
      for (const { id, box } of output) {
        if (overlapAt(face.box, box) > 0) counts.set(id, (counts.get(id) ?? 0) + 1);
      }
    }
  }
  return together;
}

/** Intersection over union, 0 when that is too little to be the same place. */
function overlapAt(one: Box, other: Box): number {
  const overlap = intersectionOverUnion(one, other);
  return overlap >= SAME_PLACE ? overlap : 0;
}
