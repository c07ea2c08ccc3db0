import type { VerifiedBundle } from '@sightline/contracts';
import { meanVector } from '@sightline/matching';
import { isAppError } from '@sightline/kernel';
import {
  type DataSet,
  degradedRates,
  type EmbeddedImages,
  embedDegraded,
  embedImages,
  fusedRates,
  measure,
  type MeasuredRecogniser,
  qualityAgainstErrors,
  readDataSet,
  type Trial,
} from '@sightline/model-registry/evaluation';
import { decodeImage, openRecogniser } from '@sightline/recognition';
import { defaultBundle } from '@sightline/testing';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { BoxRoad } from './accuracy/box-roads.js';
import { openOnBoxRoad } from './accuracy/box-roads-recogniser.js';
import { help, readOptions, type Options } from './accuracy/options.js';
import { printDegraded, printOperatingPoints, printRoads, printSeveralImages } from './accuracy/print.js';
import { normalisedRow, roadRow, vectorsOf, type RoadRow } from './accuracy/road-rows.js';
import { bundleWith, released, roads, uncentred, type Configuration, type Road } from './accuracy/roads.js';
import { measureSeveralImages, severalImages } from './accuracy/several-images.js';
import { writeReport } from './report.js';

/** The parts of a run that go through the models, and what they are given. */
class AccuracyBench {
  readonly #options: Options;
  readonly #data: DataSet;
  readonly #bundle: VerifiedBundle;

  constructor(options: Options, data: DataSet, bundle: VerifiedBundle) {
    this.#options = options;
    this.#data = data;
    this.#bundle = bundle;
  }

  /** The default release: several views are enrolled, a single one is searched. */
  async run(): Promise<void> {
    const data = this.#data;
    const { standard, cohort, probes } = await this.#withRecogniser(this.#bundle, async (recogniser) => {
      const embedded = await this.#embed(recogniser, 'the default release', data.images, true);
      progress('Comparing');
      const headline = measure(data, vectorsOf(embedded, 'enrolled', 'probe'), true);
      printOperatingPoints(headline);
      if (this.#options.quick) return { standard: { embedded, headline } };
      const trial = { data, clean: embedded, thresholds: foldThresholds(data, headline) };
      return {
        standard: { embedded, headline },
        cohort: await this.#embed(recogniser, 'calibration faces', data.calibration),
        probes: await this.#degradedProbes(recogniser, trial),
      };
    });
    const roads = cohort ? await this.#roads(standard.embedded, cohort) : undefined;
    const several = severalImages.map((way) => ({
      name: way.name,
      ...measureSeveralImages(data, vectorsOf(standard.embedded, 'enrolled', 'probe'), way),
    }));
    printSeveralImages(several);
    const { embedded, headline } = standard;
    console.log(
      `accuracy ${headline.accuracy.toFixed(2)} %, FNIR at .01: ${headline.openSet['0.01']?.toFixed(2)} %, 20 draws: ` +
        `${headline.openSet20['0.01']?.mean.toFixed(2)} %, faces missed: ${embedded.missed.length}`,
    );
    await writeReport('accuracy', {
      accuracy: { lfw: headline.accuracy },
      tar: byRate(headline, ({ tar }) => tar),
      tarInterval95: byRate(headline, ({ interval95 }) => interval95),
      openSet: { fnir: headline.openSet },
      openSet20: { fnir: headline.openSet20 },
      detection: { misses: embedded.missed.length },
      thresholds: byRate(headline, ({ threshold }) => threshold),
      falseMatches: byRate(headline, ({ falseMatches }) => falseMatches),
      fitted: byRate(headline, ({ fitted }) => fitted),
      observedRates: byRate(headline, ({ observedRate }) => observedRate),
      sizes: headline.sizes,
      stageMs: embedded.stageMs,
      ...roads,
      severalImages: several,
      ...probes,
    });
  }

  /** The wanted roads alone. @throws TypeError when there are none of such a name */
  async runRoads(): Promise<void> {
    const parts = this.#options.roads;
    if (parts.some((part) => !roads.some(({ name }) => name.includes(part)))) {
      throw new TypeError(`The roads are: ${roads.map(({ name }) => name).join('; ')}.`);
    }
    const wanted = roads.filter(({ name }) => parts.some((part) => name.includes(part)));
    const rows = await this.#roadRows(wanted);
    printRoads(rows);
    await writeReport('accuracy-roads', { roads: rows });
  }

  async #roads(standard: EmbeddedImages, cohort: EmbeddedImages) {
    const rows = await this.#roadRows(roads, new Map([[released, standard]]));
    rows.push(normalisedRow(this.#data, standard, cohort));
    printRoads(rows);
    const { faces } = await this.#embedAs(uncentred, this.#data.calibration);
    const embeddingCentre = [...meanVector([...faces.values()].map(({ probe }) => probe))];
    return { roads: rows, embeddingCentre };
  }

  /** @param known what was embedded already */
  async #roadRows(
    wanted: readonly Road[],
    known: ReadonlyMap<Configuration, EmbeddedImages> = new Map(),
  ): Promise<RoadRow[]> {
    const rows: RoadRow[] = [];
    for (const configuration of new Set(wanted.map((road) => road.configuration))) {
      const own = wanted.filter((road) => road.configuration === configuration);
      const forEnrolment = own.some(({ sides }) => sides !== undefined);
      const embedded =
        known.get(configuration) ?? (await this.#embedAs(configuration, this.#data.images, forEnrolment));
      rows.push(...own.map(({ name, sides }) => roadRow(name, this.#data, embedded, sides)));
    }
    return rows;
  }

  async #embedAs(configuration: Configuration, images: readonly string[], forEnrolment = false) {
    const { name, boxes } = configuration;
    return this.#withRecogniser(
      bundleWith(this.#bundle, configuration),
      (recogniser) => this.#embed(recogniser, name, images, forEnrolment),
      boxes,
    );
  }

  async #degradedProbes(recogniser: MeasuredRecogniser, trial: Trial) {
    const runs = await embedDegraded(recogniser, trial, this.#load, (what) => progress(`Degraded probes: ${what}`));
    const degraded = degradedRates(trial, runs);
    const fused = fusedRates(trial, runs);
    const quality = qualityAgainstErrors(trial, runs);
    printDegraded(degraded, fused, quality);
    return { degraded, fused, quality };
  }

  async #withRecogniser<T>(
    bundle: VerifiedBundle,
    work: (recogniser: MeasuredRecogniser) => Promise<T>,
    boxes?: BoxRoad,
  ): Promise<T> {
    const { workers } = this.#options;
    const recogniser = await (boxes ? openOnBoxRoad(bundle, boxes, workers) : openRecogniser({ bundle, workers }));
    try {
      return await work(recogniser);
    } finally {
      await recogniser.close();
    }
  }

  async #embed(recogniser: MeasuredRecogniser, what: string, images: readonly string[], forEnrolment = false) {
    progress(`${what}: ${images.length} images`);
    const onProgress = (done: number): void => progress(`${what}: ${done} of ${images.length}`);
    return embedImages({ recogniser, images, load: this.#load, forEnrolment, onProgress });
  }

  readonly #load = async (image: string) => decodeImage(await readFile(join(this.#data.folder, 'images', image)));
}

type Headline = ReturnType<typeof measure>;

/** At a false-match rate of 1e-3. */
function foldThresholds({ foldOfIdentity }: DataSet, { rates }: Headline): ReadonlyMap<number, number> {
  const folds = [...new Set(foldOfIdentity.values())].sort((a, b) => a - b);
  const point = rates.find(({ rate }) => rate === '1e-3');
  return new Map(folds.map((fold, at) => [fold, point?.foldThresholds[at] ?? 1]));
}

function byRate<T>({ rates }: Headline, valueOf: (point: Headline['rates'][number]) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(rates.map((point) => [point.rate, valueOf(point)]));
}

function progress(what: string): void {
  process.stderr.write(`${what}\n`);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) console.log(help);
  else {
    const bench = new AccuracyBench(options, await readDataSet(resolve(options.data)), await defaultBundle());
    await (options.roads.length > 0 ? bench.runRoads() : bench.run());
  }
} catch (error) {
  if (!isAppError(error) && !(error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
