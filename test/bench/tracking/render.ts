import { decodeImage, type Recogniser } from '@sightline/recognition';
import { samplePhotos } from '@sightline/testing';
import { clipToFrame, type Box, type Frame } from '@sightline/vision';
import { readFile } from 'node:fs/promises';
import sharp, { type OverlayOptions } from 'sharp';

import { filmFrame, shoot, type Film, type Scene } from './film.js';
import { BODY, FACE, frameHeight, frameWidth, type Appearance } from './people.js';
import type { Random } from './random.js';

/** A head, cut out of a photograph. */
interface Actor {
  readonly head: Frame;
  /** Where its face is, in pixels of the cut-out. */
  readonly face: Box;
}

/** Faces smaller than this would be shown larger than they were photographed. */
const SMALLEST_FACE = 90;
/** Around the frame, so that who stands at its edge can be pasted whole. */
const MARGIN = 400;

/** Plays scenes with the heads of real people, on bodies of one colour, before the real detector. */
export class FilmStudio {
  readonly #recogniser: Recogniser;
  readonly #actors: readonly Actor[];

  private constructor(recogniser: Recogniser, actors: readonly Actor[]) {
    this.#recogniser = recogniser;
    this.#actors = actors;
  }

  static async open(recogniser: Recogniser): Promise<FilmStudio> {
    const actors: Actor[] = [];
    for (const path of samplePhotos()) {
      const photo = await readFile(path);
      const frame = await decodeImage(photo);
      const { faces } = await recogniser.detect(frame);
      for (const { box, score } of faces) {
        if (box.width >= SMALLEST_FACE && score > 0.9) actors.push(await cutOut(photo, frame, box));
      }
    }
    return new FilmStudio(recogniser, actors);
  }

  async film(scene: Scene, random: Random): Promise<Film> {
    const first = Math.floor(random.between(0, this.#actors.length));
    const frames = [];
    for (const shot of shoot(scene, random)) {
      const seen = shot.seen.map((appearance) => this.#fitted(appearance, first));
      const { faces } = await this.#recogniser.detect(await this.#render(seen, first));
      frames.push(filmFrame({ ...shot, seen }, faces));
    }
    return frames;
  }

  /** The frames of a scene, without anybody looking at them. */
  async *pictures(scene: Scene, random: Random): AsyncIterable<Frame> {
    const first = Math.floor(random.between(0, this.#actors.length));
    for (const { seen } of shoot(scene, random)) {
      yield await this.#render(
        seen.map((appearance) => this.#fitted(appearance, first)),
        first,
      );
    }
  }

  #actorOf(id: number, first: number): Actor {
    const actor = this.#actors[(first + id) % this.#actors.length];
    if (!actor) throw new Error('no face in the sample photographs');
    return actor;
  }

  /** The box as wide as the actor's own face is. */
  #fitted(appearance: Appearance, first: number): Appearance {
    const { box } = appearance;
    const { face } = this.#actorOf(appearance.id, first);
    const width = (box.height / face.height) * face.width;
    return { ...appearance, box: { ...box, x: box.x + (box.width - width) / 2, width } };
  }

  async #render(seen: readonly Appearance[], first: number): Promise<Frame> {
    const overlays: OverlayOptions[] = [];
    for (const { id, box } of [...seen].reverse()) {
      const { head, face } = this.#actorOf(id, first);
      const scale = box.height / face.height;
      overlays.push(bodyOf(box, id), await headOf(head, box.x - face.x * scale, box.y - face.y * scale, scale));
    }
    const background = { r: 150, g: 152, b: 148 };
    const create = {
      width: frameWidth + 2 * MARGIN,
      height: frameHeight + 2 * MARGIN,
      channels: 3,
      background,
    } as const;
    const canvas = await sharp({ create }).composite(overlays).removeAlpha().raw().toBuffer();
    const data = await sharp(canvas, { raw: create })
      .extract({ left: MARGIN, top: MARGIN, width: frameWidth, height: frameHeight })
      .raw()
      .toBuffer();
    return { width: frameWidth, height: frameHeight, data };
  }
}

async function cutOut(photo: Buffer, frame: Frame, box: Box): Promise<Actor> {
  const around = { width: box.width * 1.3, height: box.height * 1.35 };
  const region = clipToFrame(
    { x: box.x + (box.width - around.width) / 2, y: box.y + (box.height - around.height) / 2, ...around },
    frame,
  );
  if (!region) throw new Error('a face outside its photograph');
  const { x: left, y: top, width, height } = region;
  const data = await sharp(photo).autoOrient().extract({ left, top, width, height }).removeAlpha().raw().toBuffer();
  return { head: { width, height, data }, face: { ...box, x: box.x - left, y: box.y - top } };
}

/** From the chin to the floor, as wide as it hides others. */
function bodyOf(face: Box, id: number): OverlayOptions {
  const half = (BODY.halfWidth * face.height) / FACE.height;
  const top = Math.round(face.y + face.height);
  const left = Math.round(face.x + face.width / 2 - half);
  const height = frameHeight + MARGIN - top;
  const background = { r: 60 + 17 * (id % 5), g: 70, b: 90 + 11 * (id % 7) };
  const body = { width: Math.round(2 * half), height: Math.max(1, height), channels: 3, background } as const;
  return { input: { create: body }, left: left + MARGIN, top: top + MARGIN };
}

async function headOf(head: Frame, x: number, y: number, scale: number): Promise<OverlayOptions> {
  const raw = { width: Math.round(head.width * scale), height: Math.round(head.height * scale), channels: 3 } as const;
  const input = await sharp(head.data, { raw: { width: head.width, height: head.height, channels: 3 } })
    .resize(raw.width, raw.height, { fit: 'fill' })
    .raw()
    .toBuffer();
  return { input, raw, left: Math.round(x) + MARGIN, top: Math.round(y) + MARGIN };
}
