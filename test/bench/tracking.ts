import { ByteTracker } from '@sightline/vision';
import { parseArgs } from 'node:util';

import { writeReport } from './report.js';
import { significant } from './statistics.js';
import { film } from './tracking/film.js';
import { IouTracker } from './tracking/iou-tracker.js';
import { addCounts, countTracking, idf1, mota, noCounts, type TrackingCounts } from './tracking/metrics.js';
import { countSightings, play, type Sightings, type TrackerKind } from './tracking/play.js';
import { Random } from './tracking/random.js';
import { sceneKinds, type SceneKind } from './tracking/scenes.js';

const usage = `npm run bench:tracking -- [--films 40] [--seed 1]

Shows films of walking people, made from seeds, to trackers, and holds what they report against the truth.
Writes reports/tracking.json.

  --films  of each kind of scene
  --seed   of the first film`;

/** TAR 97 % at FAR 1e-4 of the default embedder: docs/benchmarks.md. */
const ALIKE = 0.41;

const trackers: readonly TrackerKind[] = [
  {
    key: 'iou',
    title: 'overlap and smoothed speed, greedily',
    takesFaint: false,
    create: (setting) => new IouTracker(setting),
  },
  {
    key: 'sureOnly',
    title: 'ours, without faint detections',
    takesFaint: false,
    create: ({ closeAfterMs, birthHits }) => new ByteTracker({ closeAfterMs, birthHits }),
  },
  {
    key: 'byte',
    title: 'ours',
    takesFaint: true,
    create: ({ closeAfterMs, birthHits, sureScore }) => new ByteTracker({ closeAfterMs, birthHits, sureScore }),
  },
  {
    key: 'appearance',
    title: 'ours, joining lost tracks by appearance',
    takesFaint: true,
    create: ({ similarity, ...setting }) =>
      new ByteTracker({ ...setting, appearance: { similarity, threshold: ALIKE } }),
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

/** The same films for every tracker. */
function measure(scene: SceneKind, films: number, firstSeed: number): Readonly<Record<string, Tally>> {
  const tallies: Record<string, Tally> = {};
  for (let seed = firstSeed; seed < firstSeed + films; seed += 1) {
    const random = new Random(Math.imul(seed, 0x9e3779b1));
    const shown = film(scene.draw(random), random);
    for (const tracker of trackers) {
      const frames = play(shown, tracker, scene.closeAfterMs ?? 1000, seed);
      const tally = { counts: countTracking(frames), sightings: countSightings(frames) };
      tallies[tracker.key] = add(tallies[tracker.key] ?? nothing, tally);
    }
  }
  return tallies;
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

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    films: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
  },
});
const [films, seed] = [Number(values.films), Number(values.seed)];
if (values.help || !(films >= 1 && Number.isInteger(seed))) {
  console.log(usage);
  process.exit(values.help ? 0 : 2);
}

const scenes = sceneKinds.map((scene) => ({ scene, tallies: measure(scene, films, seed) }));
const totals = Object.fromEntries(
  trackers.map(({ key }) => [key, scenes.map(({ tallies }) => tallies[key] ?? nothing).reduce(add, nothing)]),
);
const passes = totals.byte?.sightings.passes ?? 0;
for (const { scene, tallies } of scenes) {
  console.log(`${scene.name}: ${scene.shows}`);
  console.table(Object.fromEntries(Object.entries(tallies).map(([key, tally]) => [key, summary(tally)])));
}
console.log(`all: ${films * scenes.length} films, ${passes} passes`);
console.table(Object.fromEntries(Object.entries(totals).map(([key, tally]) => [key, summary(tally)])));
await writeReport('tracking', {
  ...summary(totals.byte ?? nothing),
  films: films * scenes.length,
  passes,
  trackers: Object.fromEntries(trackers.map(({ key, title }) => [key, { title, ...summary(totals[key] ?? nothing) }])),
  scenes: Object.fromEntries(
    scenes.map(({ scene, tallies }) => [
      scene.name,
      {
        shows: scene.shows,
        ...Object.fromEntries(Object.entries(tallies).map(([key, tally]) => [key, summary(tally)])),
      },
    ]),
  ),
});
