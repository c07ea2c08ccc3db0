import { readDataSet, type DataSet } from '@sightline/model-registry/evaluation';
import { importModel } from '@sightline/model-tools';
import { openRecogniser } from '@sightline/recognition';
import { defaultBundle } from '@sightline/testing';
import type { Detection } from '@sightline/vision';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import {
  answers,
  cosines,
  cosinesOf,
  decisions,
  detectionFigures,
  detections,
  trueAcceptRates,
  type Evaluated,
} from './models/compare-variants.js';
import { faceSamples, type FaceSample } from './models/samples.js';
import { reoptimisedVariants } from './models/reoptimised-variants.js';
import { inputOf, inputsOf, subjects, type Subject } from './models/subjects.js';
import { timeVariants, type VariantTimes } from './models/time-variants.js';
import { variants } from './models/variants.js';
import { writeReport } from './report.js';
import { significant } from './statistics.js';

const usage = `npm run bench:models -- [--data ../shared/lfw-dev] [--models ../shared/models] [--only embedder] [--rounds 15]

Makes every variant of the default models and of two others (test/bench/models/variants.ts), calibrated on the data's
calibration.txt alone, and measures on its other images, one thread: bytes, milliseconds, cosines with the imported
model's answers as they are, true-accept rates at several false-match rates, detections, decisions. Prints a table and
writes reports/models.json.

  --data    a folder with images/, pairs.tsv, calibration.txt and unknown.txt
  --models  a folder with the two others
  --only    one of the models, by its key in the report; may be given several times
  --rounds  of timing; 0: none
  --times   nothing but bytes and milliseconds
  --no-shipped  leaves out the models as they were published, the embedder's most of the time`;

/** Images whose pictures are kept, for detectors and the PAD model. */
const PICTURES = 200;
/** Calibration inputs on which an import proves itself. */
const PROOFS = 8;
/** Two times within this share of each other are the same. */
const SAME_TIME = 0.03;
/** A variant is taken when its answers agree so well on the mean. */
const LEAST_COSINE = 0.99;

interface Row {
  readonly variant: string;
  readonly bytes: number;
  readonly ratioOfBytes: number;
  readonly times: VariantTimes | undefined;
  readonly figures: Figures | undefined;
  readonly notes: object | undefined;
}

interface Figures {
  readonly cosine: { readonly mean: number; readonly p1: number; readonly min: number };
  /** Percent, by false-match rate. */
  readonly tar?: Readonly<Record<string, number>>;
  readonly [further: string]: unknown;
}

interface Run {
  readonly rounds: number;
  readonly timesAlone: boolean;
  readonly shipped: boolean;
}

interface Samples extends Evaluated {
  readonly calibration: readonly FaceSample[];
  readonly pictures: readonly FaceSample[];
}

/** The models of one subject: as it was published, and all that is made of it. */
async function makeVariants(subject: Subject, { calibration }: Samples) {
  const proofs = [...inputsOf(subject, calibration.slice(0, PROOFS))];
  const { bytes: imported } = await importModel(subject.shipped, { inputs: proofs });
  const made = new Map<string, Uint8Array>();
  const notes = new Map<string, object | undefined>();
  for (const { key, make, task } of [...variants, ...reoptimisedVariants]) {
    if (task !== undefined && task !== subject.task) continue;
    console.error(`${subject.key}: ${key} …`);
    const variant = await make({ imported, calibration: () => inputsOf(subject, calibration), made });
    made.set(key, variant.bytes);
    notes.set(key, variant.notes);
  }
  return { imported, models: new Map([['shipped', subject.shipped], ...made]), notes };
}

/** What matters of a variant: how it agrees with the imported model, and what it does in service. */
class TaskFigures {
  readonly #subject: Subject;
  readonly #samples: Samples;
  readonly #imported: Uint8Array;
  #answered: readonly Float32Array[] | undefined;
  #detected: readonly (Detection | undefined)[] | undefined;
  #decided: readonly boolean[] | undefined;

  constructor(subject: Subject, samples: Samples, imported: Uint8Array) {
    this.#subject = subject;
    this.#samples = samples;
    this.#imported = imported;
  }

  /** To be asked of the imported model first: the others are held against it. */
  async of(model: Uint8Array): Promise<Figures> {
    const subject = this.#subject;
    const { pictures, faces } = this.#samples;
    if (subject.task === 'embedder') {
      const raw = await answers(subject, model, faces);
      this.#answered ??= raw;
      return { cosine: cosinesOf(this.#answered, raw), tar: trueAcceptRates(subject.spec, this.#samples, raw) };
    }
    const cosine = await cosines(subject, this.#imported, model, pictures);
    if (subject.task === 'detector') {
      const found = await detections(subject.spec, subject, model, pictures);
      this.#detected ??= found;
      return { cosine, ...detectionFigures(this.#detected, found) };
    }
    const live = await decisions(subject.spec, subject, model, pictures);
    this.#decided ??= live;
    const before = this.#decided;
    return { cosine, faces: live.length, flippedDecisions: live.filter((one, index) => one !== before[index]).length };
  }
}

async function measureSubject(subject: Subject, samples: Samples, run: Run) {
  const { rounds, timesAlone } = run;
  const { imported, models, notes } = await makeVariants(subject, samples);
  if (!run.shipped) models.delete('shipped');
  const [first] = samples.calibration;
  const input = first && inputOf(subject, first);
  if (input === undefined) throw new Error('the first calibration face has no picture');
  const times = rounds > 0 ? await timeVariants(models, input, rounds) : undefined;
  const faces = subject.task === 'embedder' ? samples.faces : samples.pictures;
  const task = new TaskFigures(subject, samples, imported);
  const figuresOf = new Map<string, Figures>();
  const importedFirst = [...models].sort(([one], [other]) => Number(other === 'imported') - Number(one === 'imported'));
  for (const [key, bytes] of timesAlone ? [] : importedFirst) {
    console.error(`${subject.key}: ${key} on ${faces.length} images …`);
    figuresOf.set(key, await task.of(bytes));
  }
  const rows = [...models].map(([variant, bytes]): Row => {
    const ratioOfBytes = bytes.length / imported.length;
    const own = { figures: figuresOf.get(variant), times: times?.get(variant), notes: notes.get(variant) };
    return { variant, bytes: bytes.length, ratioOfBytes, ...own };
  });
  print(subject, rows);
  return { ...reported(rows), ...(times && !timesAlone && { best: bestOf(rows) }) };
}

/** The fastest of those that agree, and of those as fast the smallest. */
function bestOf(rows: readonly Row[]) {
  const agreeing = rows.filter(
    ({ variant, figures }) => variant !== 'shipped' && figures && figures.cosine.mean >= LEAST_COSINE,
  );
  const msOf = ({ times }: Row): number => times?.ms ?? Number.POSITIVE_INFINITY;
  const least = Math.min(...agreeing.map(msOf));
  const fast = agreeing.filter((row) => msOf(row) <= least * (1 + SAME_TIME));
  const [best] = fast.sort((one, other) => one.bytes - other.bytes);
  return { variant: best?.variant, among: agreeing.map(({ variant }) => variant) };
}

function reported(rows: readonly Row[]) {
  return Object.fromEntries(
    rows.map(({ variant, bytes, ratioOfBytes, times, figures, notes }) => [
      variant,
      { bytes, ratioOfBytes, ...times, ...figures, ...notes },
    ]),
  );
}

function print(subject: Subject, rows: readonly Row[]): void {
  console.log(`\n${subject.key}`);
  console.table(
    rows.map(({ variant, bytes, ratioOfBytes, times, figures }) => {
      const { cosine, tar, ...others } = figures ?? { cosine: undefined };
      return {
        ...{ variant, bytes, 'of imported': significant(ratioOfBytes) },
        ...(times && { ms: significant(times.ms), 'ms / imported': significant(times.ratio) }),
        ...(times?.batch8MsPerFace && { 'ms in 8': significant(times.batch8MsPerFace) }),
        ...(times?.batch8Ratio && { '8 / imported': significant(times.batch8Ratio) }),
        ...(cosine && { cosine: cosine.mean.toFixed(4), p1: cosine.p1.toFixed(4), min: cosine.min.toFixed(4) }),
        ...(tar && { 'TAR@1e-4': tar['1e-4']?.toFixed(2) }),
        ...Object.fromEntries(
          Object.entries(others).map(([name, value]) => [name, typeof value === 'number' ? significant(value) : value]),
        ),
      };
    }),
  );
}

async function readSamples(data: DataSet, only: readonly string[], timesAlone: boolean): Promise<Samples> {
  const recogniser = await openRecogniser({ bundle: await defaultBundle(), workers: 1 });
  try {
    const sample = (images: readonly string[], withFrame: number) =>
      faceSamples({
        ...{ recogniser, data, images, withFrame },
        onProgress: (done) => {
          console.error(`${done} of ${images.length} images aligned …`);
        },
      });
    const calibration = await sample(data.calibration, data.calibration.length);
    const needsAll = !timesAlone && (only.length === 0 || only.some((key) => /embedder/i.test(key)));
    const step = Math.max(1, Math.floor(data.images.length / PICTURES));
    const images = needsAll ? data.images : data.images.filter((_, index) => index % step === 0);
    const faces = timesAlone ? [] : await sample(images, PICTURES);
    return { data, faces, calibration, pictures: faces.filter(({ frame }) => frame !== undefined) };
  } finally {
    await recogniser.close();
  }
}

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '../shared/lfw-dev' },
    models: { type: 'string', default: '../shared/models' },
    only: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '15' },
    times: { type: 'boolean', default: false },
    'no-shipped': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(usage);
else {
  const { only, times } = values;
  const data = await readDataSet(resolve(values.data));
  const samples = await readSamples(data, only, times);
  const run = { rounds: Number(values.rounds), timesAlone: times, shipped: !values['no-shipped'] };
  const report: Record<string, object> = {};
  for (const subject of await subjects(resolve(values.models))) {
    if (only.length > 0 && !only.includes(subject.key)) continue;
    report[subject.key] = await measureSubject(subject, samples, run);
  }
  await writeReport('models', report);
}
