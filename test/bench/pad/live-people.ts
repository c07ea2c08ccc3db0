import { decodeImage, type Recogniser } from '@sightline/recognition';
import { samplePhotos } from '@sightline/testing';
import type { Frame } from '@sightline/vision';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { centralFace } from '../accuracy/embed-images.js';
import type { Live } from './attacks.js';
import { cropped, shrunkTo } from './pixels.js';

/** What is seen of a person of the sample photographs, in boxes of the face: more than the model's crop of 2.7. */
const SURROUNDINGS = 4;
/** As a camera sees somebody who stands before it; the photographs are larger, and would take attacks' making minutes. */
const LARGEST_SIDE = 480;

/** Photographs of living people, as they are found by name. */
export interface LivePerson extends Live {
  readonly set: 'samples' | 'data';
}

/** The 22 faces of the sample photographs, each alone, with what is around it. */
export async function samplePeople(recogniser: Recogniser): Promise<readonly LivePerson[]> {
  const people: LivePerson[] = [];
  for (const path of samplePhotos()) {
    const photo = await decodeImage(await readFile(path));
    const { faces } = await recogniser.detect(photo);
    for (const { box } of faces) {
      const width = box.width * SURROUNDINGS;
      const height = box.height * SURROUNDINGS;
      const around = { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height };
      const person = await livePerson(
        recogniser,
        'samples',
        await shrunkTo(await cropped(photo, around), LARGEST_SIDE),
      );
      if (person) people.push(person);
    }
  }
  return people;
}

/** One image each of people of the data set's folder who are in none of its pairs. */
export async function dataPeople(
  recogniser: Recogniser,
  folder: string,
  count: number,
): Promise<readonly LivePerson[]> {
  const lists = await Promise.all(
    ['calibration.txt', 'unknown.txt'].map(async (name) => readFile(join(folder, name), 'utf8')),
  );
  const names = lists.flatMap((list) => list.split('\n').filter((line) => line !== ''));
  const step = Math.max(1, names.length / count);
  const people: LivePerson[] = [];
  for (let at = 0; at < names.length && people.length < count; at += step) {
    const image = await readFile(join(folder, 'images', names[Math.floor(at)] ?? ''));
    const person = await livePerson(recogniser, 'data', await decodeImage(image));
    if (person) people.push(person);
  }
  return people;
}

async function livePerson(
  recogniser: Recogniser,
  set: LivePerson['set'],
  frame: Frame,
): Promise<LivePerson | undefined> {
  const face = centralFace((await recogniser.detect(frame)).faces, frame);
  return face && { set, frame, box: face.box, fivePoints: face.fivePoints };
}
