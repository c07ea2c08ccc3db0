import type { Frame } from '@sightline/vision';
import { describe, expect, it } from 'vitest';

import { seededRandom } from '../capture/demo/seeded-random.js';
import { MotionGate } from './motion-gate.js';

const [width, height] = [320, 180];
const FRAME_MS = 100;

/** A grey room with something in it, as a camera with noise sees it. */
class Room {
  readonly #random = seededRandom(3);
  readonly #grains = Float32Array.from({ length: 4099 }, () => this.#random() + this.#random() + this.#random() - 1.5);
  readonly #noise: number;
  light = 110;

  constructor(noise: number) {
    this.#noise = noise;
  }

  picture(thing?: { readonly x: number; readonly y?: number; readonly side?: number; readonly tone?: number }): Frame {
    const { x = -1000, y = 60, side = 40, tone = 170 } = thing ?? {};
    const data = new Uint8Array(width * height * 3);
    const offset = Math.floor(this.#random() * 4099);
    for (let pixel = 0; pixel < width * height; pixel += 1) {
      const [column, row] = [pixel % width, Math.floor(pixel / width)];
      const isThing = column >= x && column < x + side && row >= y && row < y + side;
      const grain = (this.#grains[(pixel + offset) % 4099] ?? 0) * 2 * this.#noise;
      const level = (isThing ? tone : this.light) + grain;
      for (let channel = 0; channel < 3; channel += 1) data[pixel * 3 + channel] = level;
    }
    return { width, height, data };
  }
}

/** Shows pictures one after the other. @returns how many cells moved in each */
function show(gate: MotionGate, pictures: readonly Frame[], fromMs = 0): readonly number[] {
  return pictures.map((picture, index) => gate.look(picture, fromMs + index * FRAME_MS).cells.length);
}

const times = (count: number, picture: () => Frame): readonly Frame[] => Array.from({ length: count }, picture);

describe('the motion gate', () => {
  it.each([0, 2, 6])('stays shut on an empty room with noise of %i levels', (noise) => {
    const room = new Room(noise);
    const gate = new MotionGate({ threshold: 4 });
    const moved = show(
      gate,
      times(40, () => room.picture()),
    );
    expect(moved.slice(5).every((cells) => cells === 0)).toBe(true);
  });

  it.each([0, 2, 6])('sees what walks in, in noise of %i levels, and where', (noise) => {
    const room = new Room(noise);
    const gate = new MotionGate({ threshold: 4 });
    show(
      gate,
      times(20, () => room.picture()),
    );
    const { cells } = gate.look(room.picture({ x: 120 }), 2000);
    expect(cells.length).toBeGreaterThanOrEqual(9);
    expect(cells.every(({ x, y }) => x > 110 && x < 170 && y > 50 && y < 110)).toBe(true);
    // It goes on as it moves on.
    expect(show(gate, [150, 180, 210].map((x) => room.picture({ x })), 2100).every((moved) => moved > 0)).toBe(true); // prettier-ignore
  });

  it('takes up what stays, and a light that changes slowly', () => {
    const room = new Room(2);
    const gate = new MotionGate({ threshold: 4 });
    show(
      gate,
      times(20, () => room.picture()),
    );
    const arrived = times(80, () => room.picture({ x: 120 }));
    expect(show(gate, arrived, 2000).at(-1)).toBe(0);
    const dusk = times(60, () => {
      room.light -= 0.15;
      return room.picture({ x: 120 });
    });
    expect(Math.max(...show(gate, dusk, 10_000))).toBe(0);
  });

  it('opens when a light goes on', () => {
    const room = new Room(2);
    const gate = new MotionGate({ threshold: 4 });
    show(
      gate,
      times(20, () => room.picture()),
    );
    room.light += 40;
    expect(gate.look(room.picture(), 2000).cells.length).toBeGreaterThan(100);
  });

  it('sees nothing outside of its region', () => {
    const room = new Room(2);
    const right = [
      { x: 0.6, y: 0 },
      { x: 1, y: 0 },
      { x: 1, y: 1 },
      { x: 0.6, y: 1 },
    ];
    const gate = new MotionGate({ threshold: 4, region: right });
    show(
      gate,
      times(20, () => room.picture()),
    );
    expect(gate.look(room.picture({ x: 60 }), 2000).cells).toEqual([]);
    expect(gate.look(room.picture({ x: 250 }), 2100).cells.length).toBeGreaterThan(0);
  });

  it('begins anew with pictures of another size, and stands a clock that goes back', () => {
    const room = new Room(2);
    const gate = new MotionGate({ threshold: 4 });
    expect(gate.look(room.picture(), 5000).isNew).toBe(true);
    expect(gate.look(room.picture(), 1000)).toMatchObject({ isNew: false, cells: [] });
    expect(gate.look({ width: 33, height: 7, data: new Uint8Array(33 * 7 * 3) }, 5100).isNew).toBe(true);
    expect(gate.look({ width: 33, height: 7, data: new Uint8Array(33 * 7 * 3) }, 5200).isNew).toBe(false);
  });
});
