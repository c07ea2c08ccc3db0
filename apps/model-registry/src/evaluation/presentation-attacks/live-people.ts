import { decodeImage, type Recogniser } from '@sightline/recognition';
import type { Frame } from '@sightline/vision';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { DataSet } from '../data-set.js';
import { centralFace } from '../embed-images.js';
import type { Live } from './attacks.js';

/** One image each of people of the data set who are in none of its pairs, evenly over its lists. */
export async function livePeopleOf(
  recogniser: Pick<Recogniser, 'detect'>,
  { folder, calibration, strangers }: Pick<DataSet, 'folder' | 'calibration' | 'strangers'>,
  count: number,
): Promise<readonly Live[]> {
  const names = [...calibration, ...strangers];
  const step = Math.max(1, names.length / count);
  const people: Live[] = [];
  for (let at = 0; at < names.length && people.length < count; at += step) {
    const image = await readFile(join(folder, 'images', names[Math.floor(at)] ?? ''));
    const person = await livePerson(recogniser, await decodeImage(image));
    if (person) people.push(person);
  }
  return people;
}

/** The person in the middle of a photograph; undefined when no face is found. */
export async function livePerson(recogniser: Pick<Recogniser, 'detect'>, frame: Frame): Promise<Live | undefined> {
  const face = centralFace((await recogniser.detect(frame)).faces, frame);
  return face && { frame, box: face.box, fivePoints: face.fivePoints };
}
