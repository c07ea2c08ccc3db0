import { suppressNonMaxima, type Box, type TrackerDetection } from '@sightline/vision';

import type { Labelled } from './metrics.js';
import { appearances, frameHeight, frameWidth, type Appearance, type Person, type Pillar } from './people.js';
import type { Random } from './random.js';

/** What happens before a camera, and how the camera delivers it. */
export interface Scene {
  readonly seconds: number;
  readonly people: readonly Person[];
  readonly pillars: readonly Pillar[];
  readonly framesPerSecond: number;
  /** Part of the frames that never arrive. */
  readonly dropped: number;
  /** Mean time between gaps of 0.4 to 0.8 s in which nothing arrives, s. */
  readonly secondsBetweenGaps?: number;
}

export interface FilmFrame {
  readonly streamMs: number;
  /** Faces that can be seen. */
  readonly truth: readonly Labelled[];
  /** Faces that are mostly hidden, or turned away. */
  readonly ignored: readonly Labelled[];
  /** From the detector's lowest score on. */
  readonly detections: readonly TrackerDetection[];
}

export type Film = readonly FilmFrame[];

/** The release's own thresholds. */
export const sureScore = 0.65;
const NMS = 0.4;
/** What scores less is noise. */
const LOWEST_SCORE = 0.2;
/** Of a face less visible, or less turned to the camera, than this nobody expects to be found. */
const EXPECTED = 0.5;

/** One moment of a scene, as the camera delivered it. */
export interface Shot {
  readonly streamMs: number;
  /** Nearest first. */
  readonly seen: readonly Appearance[];
}

/** Films a scene. */
export function shoot(scene: Scene, random: Random): readonly Shot[] {
  const isInGap = drawGaps(scene, random);
  const shots: Shot[] = [];
  const interval = 1 / scene.framesPerSecond;
  for (let tick = 1; tick * interval < scene.seconds; tick += 1) {
    // Cameras and what decodes them deliver unevenly.
    const seconds = (tick + random.between(-0.25, 0.25)) * interval;
    if (random.chance(scene.dropped) || isInGap(seconds)) continue;
    shots.push({ streamMs: seconds * 1000, seen: appearances(scene.people, scene.pillars, seconds) });
  }
  return shots;
}

/** What a shot shows, and what was detected in it. */
export function filmFrame({ streamMs, seen }: Shot, detections: readonly TrackerDetection[]): FilmFrame {
  const isExpected = ({ visible, facing }: Appearance): boolean => visible >= EXPECTED && facing >= EXPECTED;
  const isIgnored = (appearance: Appearance): boolean => !isExpected(appearance);
  return { streamMs, truth: seen.filter(isExpected), ignored: seen.filter(isIgnored), detections };
}

/** Films a scene and has a made-up detector look at it. */
export function film(scene: Scene, random: Random): Film {
  const shots = shoot(scene, random);
  const detector = new NoisyDetector(random);
  return shots.map((shot) => filmFrame(shot, detector.detect(shot.seen)));
}

function drawGaps({ seconds, secondsBetweenGaps }: Scene, random: Random): (at: number) => boolean {
  const gaps: { from: number; to: number }[] = [];
  if (secondsBetweenGaps === undefined) return () => false;
  for (let from = random.exponential(secondsBetweenGaps); from < seconds;) {
    const to = from + random.between(0.4, 0.8);
    gaps.push({ from, to });
    from = to + random.exponential(secondsBetweenGaps);
  }
  return (at) => gaps.some(({ from, to }) => at >= from && at < to);
}

/**
 * Errs as the default detector was seen to: boxes jitter by a few per cent, what is small, hidden or turned away
 * scores low, a face is missed now and then, ghosts of a frame or two score high, and some patterns of the room
 * score low again and again.
 */
class NoisyDetector {
  readonly #random: Random;
  readonly #patterns: readonly Box[];
  #ghosts: readonly { readonly box: Box; readonly framesLeft: number }[] = [];

  constructor(random: Random) {
    this.#random = random;
    this.#patterns = Array.from({ length: 3 }, () => this.#anywhere());
  }

  detect(seen: readonly Appearance[]): TrackerDetection[] {
    const random = this.#random;
    const faces = seen.flatMap((appearance) => this.#look(appearance));
    this.#ghosts = this.#ghosts.filter(({ framesLeft }) => framesLeft > 0);
    if (random.chance(0.03)) {
      this.#ghosts = [...this.#ghosts, { box: this.#anywhere(), framesLeft: random.chance(0.4) ? 2 : 1 }];
    }
    const ghosts = this.#ghosts.map(({ box }) => ({ box: this.#jitter(box, 1), score: random.between(0.65, 0.95) }));
    this.#ghosts = this.#ghosts.map(({ box, framesLeft }) => ({ box, framesLeft: framesLeft - 1 }));
    const patterns = this.#patterns
      .filter(() => random.chance(0.2))
      .map((box) => ({ box: this.#jitter(box, 1), score: random.between(0.2, 0.6) }));
    return suppressNonMaxima([...faces, ...ghosts, ...patterns], NMS);
  }

  #look({ box, visible, facing }: Appearance): TrackerDetection[] {
    const random = this.#random;
    const size = Math.min(1, Math.max(0, (box.height - 22) / 14));
    const clarity = visible ** 1.5 * size * facing;
    // One in fifty is missed for no reason that could be seen.
    const score = random.chance(0.02) ? 0 : 1 / (1 + Math.exp(2 - 5.5 * clarity - random.normal(0, 0.7)));
    return score < LOWEST_SCORE || visible < 0.1 ? [] : [{ box: this.#jitter(box, 2 - clarity), score }];
  }

  #jitter({ x, y, width, height }: Box, factor: number): Box {
    const random = this.#random;
    const size = Math.sqrt(width * height);
    const centre = { x: x + width / 2, y: y + height / 2 };
    const grown = {
      width: width * Math.exp(random.normal(0, 0.04 * factor)),
      height: height * Math.exp(random.normal(0, 0.04 * factor)),
    };
    return {
      x: centre.x + random.normal(0, 0.03 * factor) * size - grown.width / 2,
      y: centre.y + random.normal(0, 0.03 * factor) * size - grown.height / 2,
      ...grown,
    };
  }

  #anywhere(): Box {
    const width = this.#random.between(30, 120);
    const height = width * this.#random.between(1.1, 1.4);
    return {
      x: this.#random.between(0, frameWidth - width),
      y: this.#random.between(0, frameHeight - height),
      width,
      height,
    };
  }
}
