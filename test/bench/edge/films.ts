import type { Recogniser } from '@sightline/recognition';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';

import { frameHeight, frameWidth } from '../tracking/people.js';
import { Random } from '../tracking/random.js';
import { FilmStudio } from '../tracking/render.js';
import { renderedScene } from '../tracking/scenes.js';

/** Of the rendered scene, from when the first people are in it: enough to loop. */
const RENDERED = { from: 20, frames: 100 };
/** A film is so long that looping, for which FFmpeg starts anew, does not come into what is measured, s. */
const FILM_SECONDS = 120;
/** In the path, as the agent wants it. */
const FFMPEG = 'ffmpeg';
/** Of a plain camera's sensor. */
const NOISE = 'noise=alls=5:allf=t';

/** Films of one room at 720p: somebody is always walking through the one, nobody is in the other. */
export interface EdgeFilms {
  readonly moving: string;
  readonly still: string;
}

/**
 * Makes the films of the benchmark, at a rate of frames a second.
 *
 * @param directory for the files, which are deleted with it
 */
export async function makeFilms(
  directory: string,
  recogniser: Recogniser,
): Promise<(rate: number) => Promise<EdgeFilms>> {
  const studio = await FilmStudio.open(recogniser);
  const random = new Random(7);
  const pictures: Uint8Array[] = [];
  let index = 0;
  for await (const { data } of studio.pictures(renderedScene(random), random)) {
    if (index >= RENDERED.from) pictures.push(data);
    index += 1;
    if (pictures.length >= RENDERED.frames) break;
  }
  const empty = new Uint8Array(frameWidth * frameHeight * 3).fill(150);
  return async (rate) => ({
    moving: await encode(join(directory, `moving-${rate}.mp4`), pictures, rate),
    still: await encode(
      join(directory, `still-${rate}.mp4`),
      pictures.map(() => empty),
      rate,
    ),
  });
}

async function encode(path: string, pictures: readonly Uint8Array[], rate: number): Promise<string> {
  const repeated = `${path}.once.mp4`;
  const raw = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${frameWidth}x${frameHeight}`, '-r', String(rate)];
  const coding = ['-vf', NOISE, '-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', String(rate)];
  await ffmpeg([...raw, '-i', 'pipe:0', ...coding, repeated], pictures);
  const times = Math.ceil((FILM_SECONDS * rate) / pictures.length);
  await ffmpeg(['-stream_loop', String(times), '-i', repeated, '-c', 'copy', `${path}.part.mp4`]);
  await rename(`${path}.part.mp4`, path);
  return path;
}

async function ffmpeg(args: readonly string[], input: readonly Uint8Array[] = []): Promise<void> {
  const child = spawn(FFMPEG, ['-v', 'error', '-y', ...args], { stdio: ['pipe', 'ignore', 'inherit'] });
  const exited = once(child, 'exit');
  for (const picture of input) if (!child.stdin.write(picture)) await once(child.stdin, 'drain');
  child.stdin.end();
  const [code] = (await exited) as [number | null];
  if (code !== 0) throw new Error('FFmpeg could not make a film');
}
