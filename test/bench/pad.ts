import type { PresentationAttackSpec, ReleaseManifest, VerifiedBundle } from '@sightline/contracts';
import {
  liveScoreOf,
  livePeopleOf,
  presentationsOf,
  PresentationScores,
  readDataSet,
  type Live,
  type PresentationRates,
} from '@sightline/model-registry/evaluation';
import { openRecogniser, type Recogniser } from '@sightline/recognition';
import { bundleOf, defaultBundle } from '@sightline/testing';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { samplePeople } from './pad/live-people.js';
import { writeReport } from './report.js';

const usage = `npm run bench:pad -- [--data ../shared/lfw-dev] [--people 100] [--variants]

Scores living people and attacks made of their photographs in code: what that proves, and what it does not, is in
docs/presentation-attacks.md. Writes reports/pad.json. Without the data's folder: the sample photographs alone.

  --data      a folder as bench:accuracy takes it
  --people    how many of it
  --variants  other crops and another order of channels too`;

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

function print(set: string, { live, species, atThreshold, atBpcer }: PresentationRates): void {
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

/** Photographs of living people, by the set that they are of. */
type People = Readonly<Record<string, readonly Live[]>>;

async function scoreAll(people: People, recognisers: ReadonlyMap<string, Recogniser>) {
  const scored = new Map([...recognisers.keys()].map((variant) => [variant, new Map<string, PresentationScores>()]));
  const all = Object.entries(people).flatMap(([set, own]) => own.map((person) => ({ set, person })));
  for (const [index, { set, person }] of all.entries()) {
    const frames = await presentationsOf(person, index + 1);
    for (const [variant, recogniser] of recognisers) {
      const own = scored.get(variant)?.get(set) ?? new PresentationScores();
      scored.get(variant)?.set(set, own);
      for (const [name, frame] of frames) own.add(name, await liveScoreOf(recogniser, frame));
    }
    if ((index + 1) % 25 === 0) console.error(`${index + 1} of ${all.length} people …`);
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
  const people: People = {
    samples: await samplePeople(standard),
    data: hasData ? await livePeopleOf(standard, await readDataSet(values.data), Number(values.people)) : [],
  };
  const scored = await scoreAll(people, recognisers);
  const report: Record<string, Record<string, PresentationRates>> = {};
  for (const [variant, sets] of scored) {
    report[variant] = {};
    for (const [set, own] of sets) {
      const rated = own.rates();
      report[variant][set] = rated;
      print(`${variant}, ${set}`, rated);
    }
  }
  await writeReport('pad', { attacksAreSynthetic: true, ...report });
  for (const recogniser of recognisers.values()) await recogniser.close();
}

await main();
