import type { ReleaseManifest } from '@sightline/contracts';
import { compareAll, dot, thresholdOf, type EvaluationImage } from '@sightline/matching';
import {
  identityOf,
  imagesByIdentity,
  unprotected,
  centralFace,
  type DataSet,
} from '@sightline/model-registry/evaluation';
import {
  decodeImage,
  openRecogniser,
  type Face,
  type Recogniser,
  type RecognitionBundle,
} from '@sightline/recognition';
import { decodeTemplate } from '@sightline/template-protection';
import type { Frame } from '@sightline/vision';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const RATE = 1e-4;
const PEOPLE = 80;
const IMAGES_EACH = 3;
const STRANGERS = 60;
/** Images that are looked at first: where their embeddings are as before, no rate moves. */
const FIRST = 24;
const UNCHANGED = 0.9999;

/** A few images of a data set, enough to see true accept rates move by a point. */
export class ReducedSet {
  readonly #images: readonly { readonly identity: number; readonly frame: Frame }[];
  #crops: readonly (Face | undefined)[] = [];
  #vectors: readonly Float32Array[] = [];

  private constructor(images: readonly { readonly identity: number; readonly frame: Frame }[]) {
    this.#images = images;
  }

  static async read({ folder, images, strangers }: DataSet): Promise<ReducedSet> {
    const people = imagesByIdentity(images)
      .filter(([, own]) => own.length >= IMAGES_EACH)
      .slice(0, PEOPLE)
      .flatMap(([, own]) => own.slice(0, IMAGES_EACH));
    const names = [...people, ...strangers.slice(0, STRANGERS)];
    const identities = [...new Set(names.map(identityOf))];
    const read = async (name: string) => ({
      identity: identities.indexOf(identityOf(name)),
      frame: await decodeImage(await readFile(join(folder, 'images', name))),
    });
    return new ReducedSet(await Promise.all(names.map(read)));
  }

  get size(): number {
    return this.#images.length;
  }

  /** Learns what the release itself makes of the images. */
  async learn(bundle: RecognitionBundle): Promise<Rates> {
    return withRecogniser(bundle, async (recogniser) => {
      this.#crops = await this.#detect(recogniser, this.size);
      this.#vectors = await embedAll(recogniser, this.#crops);
      return ratesOf(this.#evaluationImages(this.#vectors), thresholdIn(bundle));
    });
  }

  /**
   * The rates of a damaged release; none where it cannot be run.
   *
   * @param reaches what the damage changes
   */
  async rates(
    bundle: RecognitionBundle & { readonly manifest: ReleaseManifest },
    reaches: 'crops' | 'embeddings' | 'thresholds',
  ): Promise<Rates | undefined> {
    if (reaches === 'thresholds') return ratesOf(this.#evaluationImages(this.#vectors), thresholdIn(bundle));
    try {
      return await withRecogniser(bundle, async (recogniser) => {
        const crops = (count: number): Promise<readonly (Face | undefined)[]> =>
          reaches === 'embeddings' ? Promise.resolve(this.#crops.slice(0, count)) : this.#detect(recogniser, count);
        const first = await embedAll(recogniser, await crops(FIRST));
        const same = first.every((vector, at) => dot(vector, this.#vectors[at] ?? vector) > UNCHANGED);
        const vectors = same ? this.#vectors : await embedAll(recogniser, await crops(this.size));
        return ratesOf(this.#evaluationImages(vectors), thresholdIn(bundle));
      });
    } catch {
      return undefined;
    }
  }

  async #detect(recogniser: Recogniser, count: number): Promise<readonly (Face | undefined)[]> {
    const found: (Face | undefined)[] = [];
    for (const { frame } of this.#images.slice(0, count)) {
      found.push(centralFace((await recogniser.detect(frame)).faces, frame));
    }
    return found;
  }

  #evaluationImages(vectors: readonly Float32Array[]): EvaluationImage[] {
    return this.#images.map(({ identity }, at) => {
      const vector = vectors[at] ?? new Float32Array();
      return { identity, enrolled: vector, probe: vector };
    });
  }
}

/** True accept rates, in percent. */
export interface Rates {
  /** At the threshold that gives a false-match rate of 1e-4 with these vectors. */
  readonly atRate: number;
  /** At the release's own threshold for it. */
  readonly atThreshold: number;
}

function thresholdIn({ manifest }: RecognitionBundle): number {
  const { calibration } = manifest as ReleaseManifest;
  return calibration.points.find(({ falseMatchRate }) => falseMatchRate === RATE)?.threshold ?? Number.NaN;
}

function ratesOf(images: readonly EvaluationImage[], ownThreshold: number): Rates {
  const { genuine, impostorTail, impostorPairs } = compareAll(images, 0.1);
  const { threshold } = thresholdOf(impostorTail.scores, impostorPairs, RATE);
  const above = (limit: number): number => {
    const accepted = genuine.scores.filter((score) => score > limit).length;
    return (100 * accepted) / genuine.scores.length;
  };
  return { atRate: above(threshold), atThreshold: above(ownThreshold) };
}

async function withRecogniser<T>(bundle: RecognitionBundle, work: (recogniser: Recogniser) => Promise<T>): Promise<T> {
  const recogniser = await openRecogniser({ bundle });
  try {
    return await work(recogniser);
  } finally {
    await recogniser.close();
  }
}

/** A missed face is a vector that is like nobody. */
async function embedAll(
  recogniser: Recogniser,
  faces: readonly (Face | undefined)[],
): Promise<readonly Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (const face of faces) {
    const made = face && (await recogniser.embed([face], { protector: unprotected, codec: 'float16' }));
    const [template] = made?.templates ?? [];
    vectors.push(template ? decodeTemplate(template) : new Float32Array(recogniser.dimension));
  }
  return vectors;
}
