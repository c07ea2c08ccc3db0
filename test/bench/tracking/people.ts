import type { Box } from '@sightline/vision';

import type { Random } from './random.js';

export const frameWidth = 1280;
export const frameHeight = 720;
/** Pixels that a metre has at a metre's distance: 71° from side to side. */
const FOCAL = 900;
/** As detectors box it, m. */
export const FACE = { width: 0.16, height: 0.21 };
/** Chin to floor, m; the upper part of it is all that a camera at the height of heads sees. */
export const BODY = { halfWidth: 0.23 };
const HEAD = { width: 0.19, height: 0.26 };

/** A place on the floor: to the right of the camera's axis and away from the camera, m. */
export interface Place {
  readonly x: number;
  readonly z: number;
}

export interface Waypoint extends Place {
  readonly seconds: number;
}

/** One person, from their first waypoint to their last. */
export interface Person {
  readonly id: number;
  readonly path: readonly Waypoint[];
  /** Height of the face's centre under (over, when negative) the camera's axis, m. */
  readonly below: number;
  /** Begin and end of the times in which the face is turned away, s, and how far: 0 (seen) to 1 (not seen). */
  readonly turns: readonly { readonly from: number; readonly to: number; readonly away: number }[];
  readonly gait: { readonly phase: number; readonly hertz: number };
}

/** Something upright that hides what is behind it: from `x - halfWidth` to `x + halfWidth`, m. */
export interface Pillar extends Place {
  readonly halfWidth: number;
}

/** A face in one frame. */
export interface Appearance {
  readonly id: number;
  readonly box: Box;
  /** Part of the face that nothing hides, 0 to 1. */
  readonly visible: number;
  /** How far the face is turned towards the camera, 0 to 1. */
  readonly facing: number;
}

/** Gives a path a body: height, gait, and the times when it looks elsewhere. */
export function personOn(id: number, path: readonly Waypoint[], random: Random): Person {
  const end = path.at(-1)?.seconds ?? 0;
  const turns: { from: number; to: number; away: number }[] = [];
  for (let from = random.exponential(5); from < end; from += random.exponential(5)) {
    turns.push({ from, to: from + random.between(0.2, 0.7), away: random.between(0.3, 1) });
  }
  const gait = { phase: random.between(0, 2 * Math.PI), hertz: random.normal(1.9, 0.15) };
  return { id, path, below: random.normal(0, 0.09), turns, gait };
}

/** A walk through places at one speed, m/s, begun at a time, s. A place that comes twice is a stop of a second. */
export function walk(places: readonly Place[], speed: number, begin: number): Waypoint[] {
  const path: Waypoint[] = [];
  let seconds = begin;
  let last: Place | undefined;
  for (const place of places) {
    if (last) {
      const metres = Math.hypot(place.x - last.x, place.z - last.z);
      seconds += metres > 0 ? metres / speed : 1;
    }
    path.push({ ...place, seconds });
    last = place;
  }
  return path;
}

/** The faces of those who are there, as far as they are before the camera; nearest first. */
export function appearances(people: readonly Person[], pillars: readonly Pillar[], seconds: number): Appearance[] {
  const present = people
    .flatMap((person) => {
      const place = placeAt(person, seconds);
      return place ? [{ person, place, box: project(person, place, seconds, FACE) }] : [];
    })
    .sort((one, other) => one.place.z - other.place.z);
  return present.flatMap(({ person, place, box }, index): Appearance[] => {
    const [u, v] = [box.x + box.width / 2, box.y + box.height / 2];
    if (u < 0 || u > frameWidth || v < 0 || v > frameHeight) return [];
    const nearer = present.slice(0, index).map((other) => ({
      head: project(other.person, other.place, seconds, HEAD),
      bodyHalf: (BODY.halfWidth * FOCAL) / other.place.z,
    }));
    const walls = pillars
      .filter(({ z }) => z < place.z)
      .map(({ x, z, halfWidth }) => ({ from: toColumn(x - halfWidth, z), to: toColumn(x + halfWidth, z) }));
    const hides = (x: number, y: number): boolean =>
      x < 0 ||
      x > frameWidth ||
      walls.some(({ from, to }) => x >= from && x <= to) ||
      nearer.some(({ head, bodyHalf }) => isBehind(head, bodyHalf, x, y));
    const turn = person.turns.find(({ from, to }) => seconds >= from && seconds <= to);
    return [{ id: person.id, box, visible: shareOf(box, (x, y) => !hides(x, y)), facing: 1 - (turn?.away ?? 0) }];
  });
}

function placeAt({ path }: Person, seconds: number): Place | undefined {
  const next = path.findIndex((waypoint) => waypoint.seconds > seconds);
  const [from, to] = [path[next - 1], path[next]];
  if (!from || !to) return undefined;
  const part = (seconds - from.seconds) / (to.seconds - from.seconds);
  return { x: from.x + part * (to.x - from.x), z: from.z + part * (to.z - from.z) };
}

/** Pinhole projection of a rectangle around a face, with the bob and sway of walking. */
function project(person: Person, { x, z }: Place, seconds: number, { width, height }: typeof FACE): Box {
  const { phase, hertz } = person.gait;
  const bob = 0.02 * Math.sin(2 * Math.PI * hertz * seconds + phase);
  const sway = 0.025 * Math.sin(Math.PI * hertz * seconds + phase);
  const pixels = FOCAL / z;
  return {
    x: toColumn(x + sway - width / 2, z),
    y: frameHeight / 2 + (person.below + bob - height / 2) * pixels,
    width: width * pixels,
    height: height * pixels,
  };
}

function toColumn(x: number, z: number): number {
  return frameWidth / 2 + (x * FOCAL) / z;
}

/** Behind somebody's head (an ellipse) or what is under it. */
function isBehind(head: Box, bodyHalf: number, x: number, y: number): boolean {
  const dx = x - (head.x + head.width / 2);
  const dy = y - (head.y + head.height / 2);
  if (dy > 0.45 * head.height) return Math.abs(dx) <= bodyHalf;
  return (2 * dx) ** 2 / head.width ** 2 + (2 * dy) ** 2 / head.height ** 2 <= 1;
}

const GRID = 6;

function shareOf(box: Box, holds: (x: number, y: number) => boolean): number {
  let holding = 0;
  for (let row = 0; row < GRID; row += 1) {
    for (let column = 0; column < GRID; column += 1) {
      const x = box.x + ((column + 0.5) / GRID) * box.width;
      const y = box.y + ((row + 0.5) / GRID) * box.height;
      if (holds(x, y)) holding += 1;
    }
  }
  return holding / GRID ** 2;
}
