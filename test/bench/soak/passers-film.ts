import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { samplePhotos } from '@sightline/testing';

/** Seconds that people are in view, and that nobody is. */
const IN_VIEW = 2.5;
const EMPTY = 2.5;

/**
 * A film of 720p at ten frames a second: the groups of the sample photos one after the other, moving slowly across,
 * with nobody in between, so that sightings open and close. Every film begins with another group.
 */
export async function passersFilm(path: string, firstPhoto: number): Promise<void> {
  const photos = samplePhotos();
  const order = photos.map((_, index) => photos[(index + firstPhoto) % photos.length] ?? '');
  const inputs = order.flatMap((photo) => ['-loop', '1', '-t', String(IN_VIEW), '-r', '10', '-i', photo]);
  const moving = order.map(
    (_, index) =>
      `[${index}:v]scale=1440:810:force_original_aspect_ratio=increase,crop=1280:720:x='20+30*t':y=40,setsar=1,` +
      `tpad=stop_duration=${EMPTY}:color=gray[v${index}]`,
  );
  const joined = order.map((_, index) => `[v${index}]`).join('');
  const filter = [...moving, `${joined}concat=n=${order.length}:v=1[film]`].join(';');
  const output = ['-map', '[film]', '-r', '10', '-pix_fmt', 'yuv420p', '-preset', 'ultrafast', '-g', '10', path];
  const args = ['-v', 'error', '-y', '-nostdin', ...inputs, '-filter_complex', filter, ...output];
  await promisify(execFile)('ffmpeg', args);
}
