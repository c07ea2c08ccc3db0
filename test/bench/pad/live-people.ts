import { cropped, livePerson, shrunkTo, type Live } from '@sightline/model-registry/evaluation';
import { decodeImage, type Recogniser } from '@sightline/recognition';
import { samplePhotos } from '@sightline/testing';
import { readFile } from 'node:fs/promises';

/** What is seen of a person of the sample photographs, in boxes of the face: more than the model's crop of 2.7. */
const SURROUNDINGS = 4;
/** As a camera sees somebody who stands before it; the photographs are larger, and would take attacks' making minutes. */
const LARGEST_SIDE = 480;

/** The 22 faces of the sample photographs, each alone, with what is around it. */
export async function samplePeople(recogniser: Recogniser): Promise<readonly Live[]> {
  const people: Live[] = [];
  for (const path of samplePhotos()) {
    const photo = await decodeImage(await readFile(path));
    const { faces } = await recogniser.detect(photo);
    for (const { box } of faces) {
      const width = box.width * SURROUNDINGS;
      const height = box.height * SURROUNDINGS;
      const around = { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height };
      const person = await livePerson(recogniser, await shrunkTo(await cropped(photo, around), LARGEST_SIDE));
      if (person) people.push(person);
    }
  }
  return people;
}
