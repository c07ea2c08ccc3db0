import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** Paths of the photographs of people that `@vladmandic/face-api` ships (MIT), sample1.jpg to sample6.jpg. */
export function samplePhotos(): readonly string[] {
  const folder = join(dirname(require.resolve('@vladmandic/face-api/package.json')), 'demo');
  return [1, 2, 3, 4, 5, 6].map((number) => join(folder, `sample${number}.jpg`));
}
