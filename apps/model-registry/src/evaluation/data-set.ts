import { AppError } from '@sightline/kernel';
import { createHash } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Two images of the verification list. */
export interface ImagePair {
  readonly fold: number;
  readonly one: string;
  readonly other: string;
  readonly same: boolean;
}

/** A folder of `images/`, `pairs.tsv`, `calibration.txt`, `unknown.txt` and, where people are labelled, `labels.tsv`. */
export interface DataSet {
  readonly folder: string;
  /** All images that are evaluated, in name order: without those of `calibration.txt`. */
  readonly images: readonly string[];
  readonly pairs: readonly ImagePair[];
  /** For statistics that may not see the people of the evaluation. */
  readonly calibration: readonly string[];
  readonly strangers: readonly string[];
  /** The fold of each identity: that of its pairs; those of no pair take turns. */
  readonly foldOfIdentity: ReadonlyMap<string, number>;
  /** What `labels.tsv` says of identities; without that file nothing. */
  readonly labels: readonly IdentityLabel[];
}

/** Puts a person into a subgroup. */
export interface IdentityLabel {
  readonly identity: string;
  /** By what people are parted: "age", "wears glasses". */
  readonly label: string;
  readonly value: string;
}

/** All images are compared with each other, and the scores are kept. */
const MOST_IMAGES = 8000;

/** `<identity>_<number>.<extension>` */
export function identityOf(image: string): string {
  return image.replace(/_\d+\.\w+$/, '');
}

/** The images of each identity, in order. */
export function imagesByIdentity(images: readonly string[]): (readonly [string, readonly string[]])[] {
  const found = new Map<string, string[]>();
  for (const image of images) {
    const own = found.get(identityOf(image));
    if (own) own.push(image);
    else found.set(identityOf(image), [image]);
  }
  return [...found];
}

/** SHA-256 that tells one data set from another: names and sizes of its images, and what its lists say. */
export async function dataSetDigest({ folder, images, calibration, ...lists }: DataSet): Promise<string> {
  const hash = createHash('sha256');
  for (const image of [...images, ...calibration]) {
    const { size } = await stat(join(folder, 'images', image));
    hash.update(`${image}\t${size}\n`);
  }
  hash.update(JSON.stringify([calibration, lists.strangers, lists.pairs, lists.labels]));
  return hash.digest('hex');
}

/**
 * Reads and checks a folder.
 *
 * @throws AppError `EVALUATION.INVALID`, which says what is wrong with it
 */
export async function readDataSet(folder: string): Promise<DataSet> {
  const all = await readdir(join(folder, 'images')).catch(() => {
    throw invalid(`${folder} holds no folder "images".`);
  });
  const names = all.filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();
  const nameless = names.find((name) => !/._\d+\.\w+$/.test(name));
  if (nameless !== undefined) throw invalid(`images/${nameless} is not named <identity>_<number>.<extension>.`);
  const known = new Set(names);
  const pairs = parsePairs(await readLines(folder, 'pairs.tsv'), known);
  const calibration = checkedList(await readLines(folder, 'calibration.txt'), 'calibration.txt', known);
  const strangers = checkedList(await readLines(folder, 'unknown.txt'), 'unknown.txt', known);
  const paired = foldsOfPairs(pairs);
  for (const [list, listed] of Object.entries({ 'calibration.txt': calibration, 'unknown.txt': strangers })) {
    const shared = listed.find((name) => paired.has(identityOf(name)));
    if (shared !== undefined) throw invalid(`${list} lists ${shared}, whose person is also in pairs.tsv.`);
  }
  const left = new Set(calibration);
  const both = strangers.find((name) => left.has(name));
  if (both !== undefined) throw invalid(`${both} is listed in both calibration.txt and unknown.txt.`);
  const images = names.filter((name) => !left.has(name));
  if (images.length > MOST_IMAGES) throw invalid(`More than ${MOST_IMAGES} images are not compared with each other.`);
  const labels = parseLabels(await readLines(folder, 'labels.tsv', 'optional'), new Set(names.map(identityOf)));
  return { folder, images, pairs, calibration, strangers, foldOfIdentity: withUnpaired(paired, images), labels };
}

function parsePairs([header, ...lines]: readonly string[], known: ReadonlySet<string>): ImagePair[] {
  if (header !== ['fold', 'a', 'b', 'same'].join('\t')) {
    throw invalid('The first line of pairs.tsv must be "fold a b same", parted by tabs.');
  }
  if (lines.length === 0) throw invalid('pairs.tsv lists no pair.');
  return lines.map((line, index) => {
    const [fold = '', one = '', other = '', same = '', ...more] = line.split('\t');
    const wrong =
      more.length > 0 || !/^\d+$/.test(fold)
        ? 'must have a number of a fold, two images and 1 or 0'
        : [one, other].some((name) => !known.has(name))
          ? 'names an image that is not in images/'
          : same !== (identityOf(one) === identityOf(other) ? '1' : '0')
            ? 'says of "same" something else than the names of the images'
            : undefined;
    if (wrong !== undefined) throw invalid(`Line ${index + 2} of pairs.tsv ${wrong}.`);
    return { fold: Number(fold), one, other, same: same === '1' };
  });
}

function foldsOfPairs(pairs: readonly ImagePair[]): ReadonlyMap<string, number> {
  const folds = new Map<string, number>();
  for (const { fold, one, other } of pairs) {
    for (const identity of [identityOf(one), identityOf(other)]) {
      if ((folds.get(identity) ?? fold) !== fold) throw invalid(`${identity} is in two folds of pairs.tsv.`);
      folds.set(identity, fold);
    }
  }
  if (new Set(folds.values()).size < 2) throw invalid('pairs.tsv has a single fold: thresholds come from the others.');
  return folds;
}

function withUnpaired(paired: ReadonlyMap<string, number>, images: readonly string[]): ReadonlyMap<string, number> {
  const folds = [...new Set(paired.values())].sort((a, b) => a - b);
  const unpaired = [...new Set(images.map(identityOf))].filter((identity) => !paired.has(identity));
  return new Map([...paired, ...unpaired.map((identity, at) => [identity, folds[at % folds.length] ?? 0] as const)]);
}

function parseLabels([header, ...lines]: readonly string[], known: ReadonlySet<string>): IdentityLabel[] {
  if (header === undefined) return [];
  if (header !== ['identity', 'label', 'value'].join('\t')) {
    throw invalid('The first line of labels.tsv must be "identity label value", parted by tabs.');
  }
  const seen = new Set<string>();
  return lines.map((line, index) => {
    const [identity = '', label = '', value = '', ...more] = line.split('\t');
    const isTwice = seen.size === seen.add(`${identity}\t${label}`).size;
    const wrong =
      more.length > 0 || label === '' || value === ''
        ? 'must have an identity, a label and a value'
        : !known.has(identity)
          ? 'names an identity of which there is no image'
          : isTwice
            ? 'gives an identity a second value of one label'
            : undefined;
    if (wrong !== undefined) throw invalid(`Line ${index + 2} of labels.tsv ${wrong}.`);
    return { identity, label, value };
  });
}

async function readLines(folder: string, name: string, need: 'required' | 'optional' = 'required'): Promise<string[]> {
  const text = await readFile(join(folder, name), 'utf8').catch((error: unknown) => {
    if (need === 'optional' && (error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw invalid(`${folder} holds no file "${name}".`);
  });
  return text
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .filter((line) => line !== '');
}

function checkedList(names: readonly string[], list: string, known: ReadonlySet<string>): readonly string[] {
  const missing = names.find((name) => !known.has(name));
  if (missing !== undefined) throw invalid(`${list} lists ${missing}, which is not in images/.`);
  if (names.length === 0) throw invalid(`${list} is empty.`);
  return names;
}

function invalid(message: string): AppError {
  return new AppError('EVALUATION.INVALID', message);
}
