import { openRecogniser } from '@sightline/recognition';
import { defaultBundle } from '@sightline/testing';
import { ByteTracker } from '@sightline/vision';
import { parseArgs } from 'node:util';

import { writeReport } from './report.js';
import { significant } from './statistics.js';
import { film, type Film } from './tracking/film.js';
import { IouTracker } from './tracking/iou-tracker.js';
import { addCounts, countTracking, idf1, mota, noCounts, type TrackingCounts } from './tracking/metrics.js';
import { countSightings, play, type Sightings, type TrackerKind } from './tracking/play.js';
import { Random } from './tracking/random.js';
import { FilmStudio } from './tracking/render.js';
import { renderedScene, sceneKinds, type SceneKind } from './tracking/scenes.js';

const usage = `npm run bench:tracking -- [--films 40] [--rendered 4] [--seed 1]

Shows films of walking people, made from seeds, to trackers, and holds what they report against the truth.
Writes reports/tracking.json.

  --films     of each kind of scene, with a made-up detector
  --rendered  films of real faces before the real detector; half a minute each. Default: 4
  --seed      of the first film`;

/** TAR 97 % at FAR 1e-4 of the default embedder: docs/benchmarks.md. */
const ALIKE = 0.41;
/** The agent's own defaults. */
const CLOSE_AFTER_MS = 1000;
const COOLDOWN_MS = 5000;

const trackers: readonly TrackerKind[] = [
  {
    key: 'iou',
    title: 'overlap and smoothed speed, greedily',
    takesFaint: false,
    create: (setting) => new IouTracker(setting),
  },
  {
    key: 'motion',
    title: 'ours: sure detections, motion alone',
    takesFaint: false,
    create: ({ closeAfterMs, birthHits }) => new ByteTracker({ closeAfterMs, birthHits }),
  },
  {
    key: 'sureOnly',
    title: 'ours: sure detections, motion and appearance',
    takesFaint: false,
    create: ({ closeAfterMs, birthHits, similarity }) =>
      new ByteTracker({ closeAfterMs, birthHits, appearance: { similarity, threshold: ALIKE } }),
  },
  {
    key: 'withFaint',
    title: 'ours, given what the detector was unsure of as well',
    takesFaint: true,
    create: ({ similarity, ...setting }) =>
      new ByteTracker({ ...setting, appearance: { similarity, threshold: ALIKE } }),
  },
  {
    key: 'agent',
    title: 'ours as the agent runs it: the same, and who comes back within the cooldown goes on',
    takesFaint: true,
    create: ({ similarity, ...setting }) =>
      new ByteTracker({ ...setting, cooldownMs: COOLDOWN_MS, appearance: { similarity, threshold: ALIKE } }),
  },
];

const noSightings: Sightings = { passes: 0, sightings: 0, passesWithOne: 0, passesMissed: 0, mixed: 0, ghosts: 0 };

interface Tally {
  readonly counts: TrackingCounts;
  readonly sightings: Sightings;
}

const nothing: Tally = { counts: noCounts, sightings: noSightings };

function add(one: Tally, other: Tally): Tally {
  const sum = (key: keyof Sightings): number => one.sightings[key] + other.sightings[key];
  return {
    counts: addCounts(one.counts, other.counts),
    sightings: {
      passes: sum('passes'),
      sightings: sum('sightings'),
      passesWithOne: sum('passesWithOne'),
      passesMissed: sum('passesMissed'),
      mixed: sum('mixed'),
      ghosts: sum('ghosts'),
    },
  };
}

type Tallies = Readonly<Record<string, Tally>>;

/** Shows one film to every tracker. */
function showFilm(shown: Film, closeAfterMs: number, seed: number): Tallies {
  return Object.fromEntries(
    trackers.map((tracker) => {
      const frames = play(shown, tracker, closeAfterMs, seed);
      return [tracker.key, { counts: countTracking(frames), sightings: countSightings(frames) }];
    }),
  );
}

function addAll(all: readonly Tallies[]): Tallies {
  return Object.fromEntries(
    trackers.map(({ key }) => [key, all.map((tallies) => tallies[key] ?? nothing).reduce(add, nothing)]),
  );
}

const filmRandom = (film: number): Random => new Random(Math.imul(film, 0x9e3779b1));

function measure({ draw }: SceneKind, films: readonly number[]): Tallies {
  return addAll(
    films.map((number) => {
      const random = filmRandom(number);
      return showFilm(film(draw(random), random), CLOSE_AFTER_MS, number);
    }),
  );
}

async function measureRendered(films: readonly number[]): Promise<Tallies> {
  const recogniser = await openRecogniser({ bundle: await defaultBundle(), workers: 1 });
  try {
    const studio = await FilmStudio.open(recogniser);
    const all: Tallies[] = [];
    for (const number of films) {
      const random = filmRandom(number);
      all.push(showFilm(await studio.film(renderedScene(random), random), CLOSE_AFTER_MS, number));
    }
    return addAll(all);
  } finally {
    await recogniser.close();
  }
}

function summary({ counts, sightings }: Tally) {
  return {
    mota: significant(mota(counts)),
    idf1: significant(idf1(counts)),
    identitySwitches: counts.identitySwitches,
    sightingsPerPass: significant(sightings.sightings / sightings.passes),
    passesWithOneSighting: significant(sightings.passesWithOne / sightings.passes),
    passesMissed: sightings.passesMissed,
    mixedSightings: sightings.mixed,
    ghostSightings: sightings.ghosts,
  };
}

function summaries(tallies: Tallies) {
  return Object.fromEntries(Object.entries(tallies).map(([key, tally]) => [key, summary(tally)]));
}

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    films: { type: 'string', default: '40' },
    rendered: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
  },
});
const [films, rendered, seed] = [Number(values.films), Number(values.rendered), Number(values.seed)];
if (values.help || !(films >= 1 && rendered >= 0 && Number.isInteger(seed))) {
  console.log(usage);
  process.exit(values.help ? 0 : 2);
}
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => seed + index);

const scenes = sceneKinds.map((scene) => ({ scene, tallies: measure(scene, numbers(films)) }));
const totals = addAll(scenes.map(({ tallies }) => tallies));
const agent = totals.agent ?? nothing;
for (const { scene, tallies } of scenes) {
  console.log(`${scene.name}: ${scene.shows}`);
  console.table(summaries(tallies));
}
console.log(`all ${films * scenes.length} films, ${agent.sightings.passes} passes`);
console.table(summaries(totals));
const realFaces = rendered > 0 ? await measureRendered(numbers(rendered)) : undefined;
if (realFaces) {
  console.log(`${rendered} rendered films of real faces, ${realFaces.agent?.sightings.passes ?? 0} passes`);
  console.table(summaries(realFaces));
}
await writeReport('tracking', {
  ...summary(agent),
  films: films * scenes.length,
  passes: agent.sightings.passes,
  method: Object.fromEntries(trackers.map(({ key, title }) => [key, title])),
  trackers: summaries(totals),
  scenes: Object.fromEntries(
    scenes.map(({ scene, tallies }) => [scene.name, { shows: scene.shows, ...summaries(tallies) }]),
  ),
  ...(realFaces && {
    rendered: { films: rendered, passes: realFaces.agent?.sightings.passes, ...summaries(realFaces) },
  }),
});
