import type { KeyId } from '@sightline/kernel';
import { cosine } from '@sightline/matching';
import { decodeImage, type Recogniser } from '@sightline/recognition';
import { decodeTemplate, type TemplateProtector } from '@sightline/template-protection';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Leaves embeddings as they are, so that a test sees what the models yield. */
export const unprotected: TemplateProtector = { keyId: 'unprotected' as KeyId, protect: (embedding) => embedding };

/** Two images and whether they show one person, as lfw-dev's pairs.tsv has them. */
export interface Pair {
  readonly fold: number;
  readonly one: string;
  readonly other: string;
  readonly same: boolean;
}

export async function readPairs(lfwFolder: string): Promise<readonly Pair[]> {
  const [, ...lines] = (await readFile(join(lfwFolder, 'pairs.tsv'), 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const [fold = '', one = '', other = '', same = ''] = line.trim().split('\t');
    return { fold: Number(fold), one, other, same: same === '1' };
  });
}

export interface Embedded {
  /** Of the face nearest to the middle, by image; images without any face are missing. */
  readonly vectors: ReadonlyMap<string, Float32Array>;
  readonly missed: readonly string[];
}

/** Embeds each image's central face. Some images are decoded while another is in the recogniser. */
export async function embedCentralFaces(
  recogniser: Recogniser,
  folder: string,
  images: ReadonlySet<string>,
): Promise<Embedded> {
  const vectors = new Map<string, Float32Array>();
  const missed: string[] = [];
  const queue = [...images];
  const work = async (): Promise<void> => {
    for (let image = queue.pop(); image !== undefined; image = queue.pop()) {
      const vector = await embedCentralFace(recogniser, join(folder, image));
      if (vector === undefined) missed.push(image);
      else vectors.set(image, vector);
    }
  };
  await Promise.all([work(), work(), work()]);
  return { vectors, missed };
}

async function embedCentralFace(recogniser: Recogniser, path: string): Promise<Float32Array | undefined> {
  const frame = await decodeImage(await readFile(path));
  const { faces } = await recogniser.detect(frame);
  const offCentre = ({ box }: (typeof faces)[number]): number =>
    Math.hypot(box.x + box.width / 2 - frame.width / 2, box.y + box.height / 2 - frame.height / 2);
  const [central] = [...faces].sort((one, other) => offCentre(one) - offCentre(other));
  if (central === undefined) return undefined;
  const { templates } = await recogniser.embed([central], { protector: unprotected, codec: 'float16' });
  return templates[0] && decodeTemplate(templates[0]);
}

/** Share of pairs that the threshold puts on the right side; a pair with a missed face is wrong. */
export function accuracy(pairs: readonly Pair[], { vectors }: Embedded, threshold: number): number {
  const right = pairs.filter(({ one, other, same }) => {
    const [a, b] = [vectors.get(one), vectors.get(other)];
    return a !== undefined && b !== undefined && cosine(a, b) >= threshold === same;
  });
  return right.length / pairs.length;
}
