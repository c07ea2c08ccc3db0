import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import sharp from 'sharp';

import { portrait } from '../bad-input/photos.js';

/**
 * A film of the person of the portrait who comes and goes: a sighting opens and closes with each round.
 *
 * @param images how many show the person, and how many nobody
 * @returns the folder of its images
 */
export async function comingAndGoing(
  directory: string,
  images: { readonly person: number; readonly nobody: number },
): Promise<string> {
  const folder = join(directory, 'film');
  await mkdir(folder);
  const face = await sharp(await portrait())
    .resize(300)
    .toBuffer();
  const blank = sharp({ create: { width: 640, height: 480, channels: 3, background: '#777' } });
  for (let index = 0; index < images.person + images.nobody; index += 1) {
    const layers = index < images.person ? [{ input: face, left: 100 + 10 * index, top: 60 }] : [];
    const name = `${String(index).padStart(2, '0')}.jpg`;
    await writeFile(join(folder, name), await blank.clone().composite(layers).jpeg({ quality: 92 }).toBuffer());
  }
  return folder;
}
