import { isAppError } from '@sightline/kernel';
import { type DataSet, embedImages, readDataSet, type Vectors } from '@sightline/model-registry/evaluation';
import { decodeImage, openRecogniser } from '@sightline/recognition';
import { defaultBundle } from '@sightline/testing';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { drawsOf } from './decision/draws.js';
import { marginRows, sizeRows } from './decision/gallery-size.js';
import { hardNegatives } from './decision/hard-negatives.js';
import { scoresOf, type Scores } from './decision/scores.js';
import { severalTemplates } from './decision/several-templates.js';
import { writeReport } from './report.js';

const help = `npm run bench:decision -- [options]

  --data <folder>   as for bench:accuracy (default: ../shared/lfw-dev)
  --workers <n>     threads (default: 2)
  --help

What the rules of a decision come to: the correction for the gallery's size, the margin to the second person, several
templates a person, hard negatives. Prints tables and writes reports/decision.json. Takes six minutes on two cores.`;

const SIZES = [100, 200, 400, 800];
const HARD_NEGATIVES = [
  [100, 0.1],
  [400, 0.1],
  [800, 0.03],
] as const;

async function embedded(data: DataSet, workers: number): Promise<(image: string) => Vectors | undefined> {
  const recogniser = await openRecogniser({ bundle: await defaultBundle(), workers });
  try {
    const { faces } = await embedImages({
      ...{ recogniser, images: data.images, forEnrolment: true },
      load: async (image) => decodeImage(await readFile(join(data.folder, 'images', image))),
      onProgress: (done) => process.stderr.write(`Embedded ${done} of ${data.images.length}\n`),
    });
    return (image) => faces.get(image);
  } finally {
    await recogniser.close();
  }
}

async function measure(scores: Scores, releasePoints: Parameters<typeof severalTemplates>[1]): Promise<void> {
  const draws = new Map(SIZES.map((size) => [size, drawsOf(scores, size)]));
  const sizes = [...draws].flatMap(([size, own]) => sizeRows(scores, size, own));
  const margins = [...draws].flatMap(([size, own]) => marginRows(scores, size, own));
  const templates = severalTemplates(scores, releasePoints);
  const negatives = HARD_NEGATIVES.map(([size, rate]) => hardNegatives(scores, draws.get(size) ?? [], rate));
  console.log('Size of the gallery: FPIR and FNIR in %, mean and deviation of the draws');
  console.table(
    sizes.map(({ size, target, fpir, fnir, limited }) => {
      const shown = (one: typeof fpir): string => `${one.mean.toFixed(2)} ± ${one.deviation.toFixed(2)}`;
      return { size, target, FPIR: shown(fpir), FNIR: shown(fnir), limited };
    }),
  );
  console.log('Margin to the second person, in % of the probes of strangers and of enrolled people');
  console.table(margins.map((row) => rounded(row)));
  console.log('Several templates a person, in %');
  console.table(templates.map(({ fnirAtFpir, ...row }) => rounded({ ...row, ...fnirAtFpir })));
  for (const { margins: rows, ...about } of negatives) {
    console.log(`Hard negatives: ${JSON.stringify(about)}`);
    console.table(rows.map((row) => rounded(row)));
  }
  await writeReport('decision', { sizes, margins, severalTemplates: templates, hardNegatives: negatives });
}

function rounded(row: Readonly<Record<string, string | number>>): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? Number(value.toFixed(3)) : value]),
  );
}

try {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: '../shared/lfw-dev' },
      workers: { type: 'string', default: '2' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) console.log(help);
  else {
    const data = await readDataSet(resolve(values.data));
    const { manifest } = await defaultBundle();
    await measure(scoresOf(data, await embedded(data, Number(values.workers))), manifest.calibration.points);
  }
} catch (error) {
  if (!isAppError(error) && !(error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
