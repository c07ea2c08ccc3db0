import { defaultSparingPolicy, SearchSchedule, type Followed } from '@sightline/edge-agent';
import { distance, type Box, type Frame, type TrackerStep, type TrackId } from '@sightline/vision';

import type { Film, FilmFrame } from './film.js';
import { BODY, FACE, frameHeight, frameWidth } from './people.js';
import { Random } from './random.js';

/** Films are drawn so many times smaller: a gate looks at few pixels in any case. */
const SCALE = 4;
const [width, height] = [frameWidth / SCALE, frameHeight / SCALE];
/** Of a plain sensor, levels of 256. */
const NOISE = 3;
/** A track that was found so often has been reported. */
const REPORTED = 5;
/** As the agent has it: what jitters, in parts of a face, and what sways, a second. */
const STEADY = { jitter: 0.1, speed: 1 };

/** Draws films, as plain as can be: a room, heads and bodies of one tone each, noise. */
class Painter {
  readonly #random = new Random(11);
  readonly #grains = Int8Array.from({ length: 8191 }, () => Math.round(this.#random.normal(0, NOISE)));

  readonly #room = Uint8Array.from({ length: width * height }, (_, pixel) => 100 + ((pixel % width) >> 4) * 3);

  draw({ truth, ignored }: FilmFrame): Frame {
    const tones = this.#room.slice();
    for (const { id, box } of [...truth, ...ignored].sort((one, other) => one.box.height - other.box.height)) {
      const half = (BODY.halfWidth * box.height) / FACE.height;
      const body = { x: box.x + box.width / 2 - half, y: box.y + box.height, width: 2 * half, height: frameHeight };
      fill(tones, body, 60 + 23 * (id % 5));
      fill(tones, box, 190 - 9 * (id % 4));
    }
    const data = new Uint8Array(tones.length * 3);
    const offset = Math.floor(this.#random.between(0, this.#grains.length));
    for (let pixel = 0; pixel < tones.length; pixel += 1) {
      const level = (tones[pixel] ?? 0) + (this.#grains[(pixel + offset) % this.#grains.length] ?? 0);
      data[3 * pixel] = level;
      data[3 * pixel + 1] = level;
      data[3 * pixel + 2] = level;
    }
    return { width, height, data };
  }
}

function fill(tones: Uint8Array, box: Box, tone: number): void {
  const { x, y, width: across, height: down } = scaled(box);
  const [left, right] = [Math.max(0, Math.round(x)), Math.min(width, Math.round(x + across))];
  for (let row = Math.max(0, Math.round(y)); row < Math.min(height, y + down); row += 1) {
    if (left < right) tones.fill(tone, row * width + left, row * width + right);
  }
}

function scaled({ x, y, width: across, height: down }: Box): Box {
  return { x: x / SCALE, y: y / SCALE, width: across / SCALE, height: down / SCALE };
}

/** Decides, as the agent does, which frames of a film are searched. */
export class SparedFilm {
  readonly #schedule = new SearchSchedule(defaultSparingPolicy);
  readonly #painter = new Painter();
  readonly #closeAfterMs: number;
  readonly #live = new Map<TrackId, { readonly box: Box; readonly atMs: number; readonly times: number }>();
  #followed: Followed = { unsettled: false, steady: [] };
  searched = 0;

  constructor(closeAfterMs: number) {
    this.#closeAfterMs = closeAfterMs;
  }

  wants(frame: Film[number]): boolean {
    const picture = this.#painter.draw(frame);
    return this.#schedule.wants(picture, frame.streamMs, this.#followed, this.#closeAfterMs);
  }

  /** What came of a frame that was searched. @param boxes of the detections */
  searchedFrame({ assignments, closed, dropped, joined }: TrackerStep, boxes: readonly Box[], atMs: number): void {
    this.searched += 1;
    this.#schedule.searched(atMs, 10);
    for (const id of [...closed, ...dropped, ...joined.map(({ from }) => from)]) this.#live.delete(id);
    const steady: Box[] = [];
    for (const { trackId, detection, confirmed } of assignments) {
      const box = boxes[detection];
      if (!box) continue;
      const before = this.#live.get(trackId);
      const times = (before?.times ?? 0) + 1;
      this.#live.set(trackId, { box, atMs, times });
      if (confirmed && before && times > REPORTED && isSteady(before, { box, atMs })) steady.push(scaled(box));
    }
    this.#followed = { unsettled: this.#live.size > steady.length, steady };
  }
}

interface Place {
  readonly box: Box;
  readonly atMs: number;
}

function isSteady(before: Place, after: Place): boolean {
  const size = Math.sqrt(after.box.width * after.box.height);
  const moved = distance(centreOf(before.box), centreOf(after.box)) / size;
  return moved <= STEADY.jitter + (STEADY.speed * (after.atMs - before.atMs)) / 1000;
}

function centreOf({ x, y, width: across, height: down }: Box): { readonly x: number; readonly y: number } {
  return { x: x + across / 2, y: y + down / 2 };
}
