import type { ReleaseManifest, VerifiedBundle } from '@sightline/contracts';
import { isAppError } from '@sightline/kernel';
import { readDataSet } from '@sightline/model-registry/evaluation';
import { computeSelfTest, runSelfTest } from '@sightline/recognition';
import { bundleOf, defaultBundle } from '@sightline/testing';
import { parseArgs } from 'node:util';

import { writeReport } from './report.js';
import { damagesOf, type Damage } from './self-test/damages.js';
import { falseAlarms } from './self-test/false-alarms.js';
import { ReducedSet, type Rates } from './self-test/reduced-set.js';
import { variantsOf } from './self-test/variants.js';

const usage = `npm run bench:self-test -- [--data ../shared/lfw-dev] [--variant imported]

Damages the default release in 200 ways, sees which of them move the true accept rate by a point or more, and whether the
self-test refuses those; and runs every variant in every way that another processor might, none of which may fail.
Writes reports/self-test.json. What the reduced set is, and why it is enough: docs/evaluation.md.

  --data     a folder as bench:accuracy takes it
  --variant  which one is damaged: imported, as shipped, fp16 storage, int8 embedder`;

/** Points by which a true accept rate has to move for a damage to count. */
const POINT = 1;

interface Outcome extends Pick<Damage, 'kind' | 'name'> {
  readonly refused: boolean;
  /** Without the digest over what the manifest states: by the models' answers alone. */
  readonly refusedByAnswers: boolean;
  /** Points that the true accept rate moved by; null where the release cannot be run at all. */
  readonly moved: number | null;
}

async function withSelfTest(bundle: VerifiedBundle): Promise<VerifiedBundle> {
  const read = (target: string): Promise<Uint8Array> => bundle.read(target);
  return bundleOf({ ...bundle.manifest, selfTest: await computeSelfTest(bundle.manifest, read) }, read);
}

async function refuses(bundle: VerifiedBundle): Promise<boolean> {
  return runSelfTest(bundle).then(
    () => false,
    (error: unknown) => {
      if (isAppError(error) && error.code === 'RELEASE.SELF_TEST_FAILED') return true;
      throw error;
    },
  );
}

/** With nothing but the models' answers to go by. */
function withoutStatement({ manifest, ...bundle }: VerifiedBundle): VerifiedBundle {
  const selfTest: ReleaseManifest['selfTest'] = { ...manifest.selfTest, statement: undefined };
  const calibration = { ...manifest.calibration, variantDigest: manifest.embedder.sha256 };
  return { ...bundle, manifest: { ...manifest, selfTest, calibration } };
}

async function outcomeOf({ kind, name, bundle, reaches }: Damage, set: ReducedSet, clean: Rates): Promise<Outcome> {
  const refusedByAnswers = await refuses(withoutStatement(bundle));
  const refused = await refuses(bundle);
  const rates = await set.rates(bundle, reaches);
  const moved = rates
    ? Math.max(Math.abs(rates.atRate - clean.atRate), Math.abs(rates.atThreshold - clean.atThreshold))
    : null;
  return { kind, name, refused, refusedByAnswers, moved };
}

function summary(outcomes: readonly Outcome[]) {
  const harmful = outcomes.filter(({ moved }) => moved === null || moved >= POINT);
  const share = (refused: readonly Outcome[]): number => refused.length / harmful.length;
  return {
    damages: outcomes.length,
    harmful: harmful.length,
    harmfulRefused: share(harmful.filter(({ refused }) => refused)),
    harmfulRefusedByAnswers: share(harmful.filter(({ refusedByAnswers }) => refusedByAnswers)),
    harmlessRefused: outcomes.filter((outcome) => outcome.refused && !harmful.includes(outcome)).length,
    missed: harmful.filter(({ refused }) => !refused).map(({ kind, name, moved }) => ({ kind, name, moved })),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: '../shared/lfw-dev' },
      variant: { type: 'string', default: 'imported' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const variants = new Map<string, VerifiedBundle>();
  const data = await readDataSet(values.data);
  for (const [name, variant] of await variantsOf(await defaultBundle(), data)) {
    variants.set(name, await withSelfTest(variant));
  }
  const alarms = await falseAlarms(variants);
  console.table(alarms.rows);
  const bundle = variants.get(values.variant);
  if (bundle === undefined) throw new TypeError(`The variants are: ${[...variants.keys()].join('; ')}.`);
  const set = await ReducedSet.read(data);
  const clean = await set.learn(bundle);
  const { calibration } = bundle.manifest;
  const foreign = {
    ...calibration,
    variantDigest: '0'.repeat(64),
    points: calibration.points.map(({ falseMatchRate, threshold }) => ({
      falseMatchRate,
      threshold: threshold - 0.08,
    })),
  };
  const outcomes: Outcome[] = [];
  for (const damage of await damagesOf(bundle, foreign)) {
    outcomes.push(await outcomeOf(damage, set, clean));
    if (outcomes.length % 20 === 0) console.error(`${outcomes.length} damaged releases …`);
  }
  const kinds = [...new Set(outcomes.map(({ kind }) => kind))];
  const byKind = Object.fromEntries(kinds.map((kind) => [kind, summary(outcomes.filter((one) => one.kind === kind))]));
  const all = summary(outcomes);
  console.table(byKind, ['damages', 'harmful', 'harmfulRefused', 'harmfulRefusedByAnswers', 'harmlessRefused']);
  console.log(`${all.harmful} of ${all.damages} harmful, refused: ${(100 * all.harmfulRefused).toFixed(1)} %`);
  await writeReport('self-test', {
    variant: values.variant,
    images: set.size,
    clean,
    all,
    byKind,
    falseAlarms: alarms,
    outcomes,
  });
}

await main();
