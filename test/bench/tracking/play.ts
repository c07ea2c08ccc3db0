import type { Tracker, TrackId } from '@sightline/vision';

import { sureScore, type Film } from './film.js';
import { countTogether, type ScoredFrame } from './metrics.js';
import { frameHeight, frameWidth } from './people.js';
import { Random } from './random.js';
import type { SparedFilm } from './spared.js';

/** What a tracker may be given besides detections. */
export interface TrackerSetting {
  readonly closeAfterMs: number;
  readonly birthHits: number;
  readonly sureScore: number;
  /** As embeddings would tell it. */
  readonly similarity: (lost: TrackId, found: TrackId) => number | undefined;
}

export interface TrackerKind {
  readonly key: string;
  readonly title: string;
  /** Whether it is given what the detector was unsure of. */
  readonly takesFaint: boolean;
  readonly create: (setting: TrackerSetting) => Tracker;
}

/** Each person's part in what a tracker reported. */
export interface Sightings {
  /** People who could be seen for long enough. */
  readonly passes: number;
  /** Reported tracks, each counted for the person whom it shows most. */
  readonly sightings: number;
  readonly passesWithOne: number;
  readonly passesMissed: number;
  /** Reported tracks that show two people or more. */
  readonly mixed: number;
  /** Reported tracks that show nobody. */
  readonly ghosts: number;
}

/** Frames in a row after which the agent believes in a face. */
const CONFIRMED_FRAMES = 3;
/** Frames in which somebody can be seen before they must be found: a second of the ordinary ten. */
const FRAMES_OF_A_PASS = 10;
/** A track shows a second person when that one has so many of its frames, and this part of them. */
const MIXED = { frames: 3, part: 0.1 };

/**
 * Shows a film to a tracker, as the agent does: a track counts from its first detection on, once it is confirmed.
 *
 * @param seed of the likeness of people
 * @param spared says which frames are searched; all when absent
 */
export function play(
  film: Film,
  kind: TrackerKind,
  closeAfterMs: number,
  seed: number,
  spared?: SparedFilm,
): ScoredFrame[] {
  const people = new PeopleOfTracks(seed);
  const similarity = (lost: TrackId, found: TrackId): number | undefined => people.similarity(lost, found);
  const tracker = kind.create({ closeAfterMs, birthHits: CONFIRMED_FRAMES, sureScore, similarity });
  const reported = new Set<TrackId>();
  const goesOnAs = new Map<TrackId, TrackId>();
  const frames = film.map((shown) => {
    const { streamMs, detections, truth, ignored } = shown;
    if (spared?.wants(shown) === false) return { truth, ignored, output: [] };
    const given = kind.takesFaint ? detections : detections.filter(({ score }) => score >= sureScore);
    const step = tracker.step(given, streamMs, { width: frameWidth, height: frameHeight });
    spared?.searchedFrame(
      step,
      given.map(({ box }) => box),
      streamMs,
    );
    for (const id of step.opened) reported.add(id);
    for (const { from, into } of step.joined) goesOnAs.set(from, into);
    const output = step.assignments.flatMap(({ trackId, detection }) => {
      const box = given[detection]?.box;
      return box ? [{ id: trackId, box }] : [];
    });
    people.observe({ truth: [...truth, ...ignored], output });
    return { truth, ignored, output };
  });
  const finalId = (id: TrackId): TrackId => {
    const next = goesOnAs.get(id);
    return next === undefined ? id : finalId(next);
  };
  return frames.map(({ truth, ignored, output }) => ({
    truth,
    ignored,
    output: output.map(({ id, box }) => ({ id: finalId(id), box })).filter(({ id }) => reported.has(id)),
  }));
}

/**
 * Plays the embedder: two tracks of one person are as alike as two photographs of one person are, two of different
 * people as those of strangers; by and large the default embedder's scores.
 */
class PeopleOfTracks {
  readonly #random: Random;
  readonly #seen = new Map<TrackId, Map<number, number>>();
  readonly #likeness = new Map<string, number>();

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  observe(frame: Pick<ScoredFrame, 'truth' | 'output'>): void {
    for (const [person, tracks] of countTogether([frame])) {
      for (const track of tracks.keys()) {
        const people = this.#seen.get(track) ?? new Map<number, number>();
        this.#seen.set(track, people);
        people.set(person, (people.get(person) ?? 0) + 1);
      }
    }
  }

  /** Known once a track is confirmed: the agent embeds what it has of a face before it reports it, or loses it. */
  similarity(lost: TrackId, found: TrackId): number | undefined {
    const [one, other] = [this.#personOf(lost), this.#personOf(found)];
    if (one === undefined || other === undefined) return undefined;
    const key = `${lost}/${found}`;
    const likeness =
      this.#likeness.get(key) ?? this.#random.normal(one === other ? 0.62 : 0.03, one === other ? 0.12 : 0.07);
    this.#likeness.set(key, likeness);
    return likeness;
  }

  #personOf(track: TrackId): number | undefined {
    const people = [...(this.#seen.get(track) ?? [])].sort((one, other) => other[1] - one[1]);
    const frames = people.reduce((sum, [, count]) => sum + count, 0);
    return frames < CONFIRMED_FRAMES ? undefined : people[0]?.[0];
  }
}

export function countSightings(frames: readonly ScoredFrame[]): Sightings {
  const together = countTogether(
    frames.map(({ truth, ignored = [], output }) => ({ truth: [...truth, ...ignored], output })),
  );
  const expected = new Map<number, number>();
  for (const { id } of frames.flatMap(({ truth }) => truth)) expected.set(id, (expected.get(id) ?? 0) + 1);
  const passes = [...expected].filter(([, count]) => count >= FRAMES_OF_A_PASS).map(([id]) => id);
  const shown = new Map<TrackId, [person: number, frames: number][]>();
  for (const [person, tracks] of together) {
    for (const [track, count] of tracks) shown.set(track, [...(shown.get(track) ?? []), [person, count]]);
  }
  const perPerson = new Map<number, number>();
  let mixed = 0;
  for (const people of shown.values()) {
    const [first, second] = people.sort((one, other) => other[1] - one[1]);
    if (!first) continue;
    perPerson.set(first[0], (perPerson.get(first[0]) ?? 0) + 1);
    if (second && second[1] >= MIXED.frames && second[1] >= MIXED.part * (first[1] + second[1])) mixed += 1;
  }
  const counts = passes.map((id) => perPerson.get(id) ?? 0);
  const reported = new Set(frames.flatMap(({ output }) => output.map(({ id }) => id)));
  return {
    passes: passes.length,
    sightings: counts.reduce((sum, count) => sum + count, 0),
    passesWithOne: counts.filter((count) => count === 1).length,
    passesMissed: counts.filter((count) => count === 0).length,
    mixed,
    ghosts: [...reported].filter((id) => !shown.has(id)).length,
  };
}
