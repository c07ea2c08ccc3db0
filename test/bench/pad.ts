import type { PresentationAttackSpec, ReleaseManifest, VerifiedBundle } from '@sightline/contracts';
import { openRecogniser, type Recogniser } from '@sightline/recognition';
import { bundleOf, defaultBundle } from '@sightline/testing';
import type { Frame } from '@sightline/vision';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { centralFace } from './accuracy/embed-images.js';
import { attacks, seenByCamera } from './pad/attacks.js';
import { dataPeople, samplePeople, type LivePerson } from './pad/live-people.js';
import { seededRandom } from './pad/pixels.js';
import { apcer, areaUnderCurve, bpcer, thresholdAtBpcer } from './pad/rates.js';
import { writeReport } from './report.js';
import { median, significant } from './statistics.js';

const usage = `npm run bench:pad -- [--data ../shared/lfw-dev] [--people 100] [--variants]

Scores living people and attacks made of their photographs in code: what that proves, and what it does not, is in
docs/presentation-attacks.md. Writes reports/pad.json. Without the data's folder: the sample photographs alone.

  --data      a folder with images/, calibration.txt and unknown.txt
  --people    how many of it
  --variants  other crops and another order of channels too`;

const THRESHOLDS = [0.1, 0.3, 0.5, 0.7, 0.9];
const BPCERS = [0.05, 0.1, 0.2];
const LIVE = 'live';

/** Scores by what was presented; a presentation without a face has none. */
type Scores = Map<string, number[]>;
interface Scored {
  readonly scores: Scores;
  readonly noFace: Map<string, number>;
}

type Spec = Partial<Pick<PresentationAttackSpec, 'cropScale' | 'liveIndex'>> & { readonly channels?: 'rgb' };
const variants: Readonly<Record<string, Spec>> = {
  'crop of 1.3 boxes': { cropScale: 1.3 },
  'crop of 2 boxes': { cropScale: 2 },
  'RGB in the place of BGR': { channels: 'rgb' },
  'output 1 in the place of 0': { liveIndex: 1 },
};

function variantOf(bundle: VerifiedBundle, { channels, ...spec }: Spec): VerifiedBundle {
  const { presentationAttack: model } = bundle.manifest;
  if (model === undefined) throw new Error('the default bundle has a presentation-attack model');
  const input = { ...model.spec.input, ...(channels && { channels }) };
  const manifest: ReleaseManifest = {
    ...bundle.manifest,
    presentationAttack: { ...model, spec: { ...model.spec, ...spec, input } },
  };
  return bundleOf(manifest, (target) => bundle.read(target));
}

async function liveScore(recogniser: Recogniser, frame: Frame): Promise<number | undefined> {
  const { faces } = await recogniser.detect(frame, { surroundings: { minimumQuality: 0 } });
  const face = centralFace(faces, frame);
  return face && (await recogniser.liveScores([face])).scores[0];
}

/** All presentations of one person: living, and each attack. */
async function presentations(person: LivePerson, seed: number): Promise<ReadonlyMap<string, Frame>> {
  const random = seededRandom(seed);
  const frames = new Map([[LIVE, await seenByCamera(person.frame, random)]]);
  for (const { species, make } of attacks) {
    frames.set(species, await seenByCamera(await make(person, random), random));
  }
  return frames;
}

function addScore({ scores, noFace }: Scored, name: string, score: number | undefined): void {
  if (score === undefined) noFace.set(name, (noFace.get(name) ?? 0) + 1);
  else scores.set(name, [...(scores.get(name) ?? []), score]);
}

function rates({ scores, noFace }: Scored) {
  const live = scores.get(LIVE) ?? [];
  const species = [...scores].filter(([name]) => name !== LIVE);
  const worst = (threshold: number): number => Math.max(...species.map(([, attack]) => apcer(attack, threshold)));
  const atThreshold = (threshold: number) => ({
    threshold: significant(threshold),
    bpcer: significant(bpcer(live, threshold)),
    worstApcer: significant(worst(threshold)),
    apcer: Object.fromEntries(species.map(([name, attack]) => [name, significant(apcer(attack, threshold))])),
  });
  return {
    live: { people: live.length, noFace: noFace.get(LIVE) ?? 0, medianScore: significant(median(live)) },
    species: Object.fromEntries(
      species.map(([name, attack]) => [
        name,
        {
          presentations: attack.length,
          noFace: noFace.get(name) ?? 0,
          medianScore: significant(median(attack)),
          areaUnderCurve: significant(areaUnderCurve(live, attack)),
        },
      ]),
    ),
    atThreshold: THRESHOLDS.map(atThreshold),
    atBpcer: BPCERS.map((share) => ({ bpcerWanted: share, ...atThreshold(thresholdAtBpcer(live, share)) })),
  };
}

function print(set: string, { live, species, atThreshold, atBpcer }: ReturnType<typeof rates>): void {
  console.log(`\n${set}: ${live.people} living people, median score ${live.medianScore}`);
  console.table(
    Object.entries(species).map(([name, { medianScore, areaUnderCurve: area, noFace }]) => {
      const at = (rows: typeof atThreshold, index: number): number | undefined => rows[index]?.apcer[name];
      return {
        ...{ attack: name, median: medianScore, 'area under curve': area, 'no face': noFace },
        ...{ 'APCER at .5': at(atThreshold, 2), 'at BPCER 10 %': at(atBpcer, 1), 'at 20 %': at(atBpcer, 2) },
      };
    }),
  );
  console.table(
    [...atThreshold, ...atBpcer].map(({ threshold, bpcer: live, worstApcer }) => ({
      threshold,
      BPCER: live,
      worstApcer,
    })),
  );
}

async function scoreAll(people: readonly LivePerson[], recognisers: ReadonlyMap<string, Recogniser>) {
  const scored = new Map<string, Map<string, Scored>>([...recognisers.keys()].map((variant) => [variant, new Map()]));
  for (const [index, person] of people.entries()) {
    const frames = await presentations(person, index + 1);
    for (const [variant, recogniser] of recognisers) {
      const own = scored.get(variant)?.get(person.set) ?? { scores: new Map(), noFace: new Map() };
      scored.get(variant)?.set(person.set, own);
      for (const [name, frame] of frames) addScore(own, name, await liveScore(recogniser, frame));
    }
    if ((index + 1) % 25 === 0) console.error(`${index + 1} of ${people.length} people …`);
  }
  return scored;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: '../shared/lfw-dev' },
      people: { type: 'string', default: '100' },
      variants: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const bundle = await defaultBundle();
  const open = (candidate: VerifiedBundle): Promise<Recogniser> =>
    openRecogniser({ bundle: candidate, presentationAttack: true });
  const standard = await open(bundle);
  const recognisers = new Map([['default', standard]]);
  if (values.variants) {
    for (const [name, spec] of Object.entries(variants)) recognisers.set(name, await open(variantOf(bundle, spec)));
  }
  const hasData = existsSync(join(values.data, 'calibration.txt'));
  if (!hasData) console.error(`${values.data} is not there: the sample photographs alone.`);
  const people = [
    ...(await samplePeople(standard)),
    ...(hasData ? await dataPeople(standard, values.data, Number(values.people)) : []),
  ];
  const scored = await scoreAll(people, recognisers);
  const report: Record<string, Record<string, ReturnType<typeof rates>>> = {};
  for (const [variant, sets] of scored) {
    report[variant] = {};
    for (const [set, own] of sets) {
      const rated = rates(own);
      report[variant][set] = rated;
      print(`${variant}, ${set}`, rated);
    }
  }
  await writeReport('pad', { attacksAreSynthetic: true, ...report });
  for (const recogniser of recognisers.values()) await recogniser.close();
}

await main();
