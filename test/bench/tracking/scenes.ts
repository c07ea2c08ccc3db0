import type { Scene } from './film.js';
import { personOn, walk, type Person, type Pillar, type Place } from './people.js';
import type { Random } from './random.js';

/** A kind of film. */
export interface SceneKind {
  readonly name: string;
  readonly shows: string;
  readonly draw: (random: Random) => Scene;
}

const ordinary = { framesPerSecond: 10, dropped: 0.03, pillars: [] as readonly Pillar[] };

/** Half of what the camera sees at a distance, and a bit: from there one walks in. */
const edgeAt = (z: number): number => 0.71 * z + 0.25;

/** From one side to the other, bearing nearer or farther by the way. */
function across(random: Random, z: number): Place[] {
  const side = random.chance(0.5) ? 1 : -1;
  const end = Math.max(1.2, z + random.normal(0, 0.3));
  return [
    { x: -side * edgeAt(z), z },
    { x: side * edgeAt(end), z: end },
  ];
}

const pace = (random: Random): number => Math.min(2, Math.max(0.6, random.normal(1.3, 0.25)));

function crowd(random: Random, count: number, seconds: number, places: () => Place[]): Person[] {
  return Array.from({ length: count }, (_, id) =>
    personOn(id, walk(places(), pace(random), random.between(0, seconds * 0.7)), random),
  );
}

function passing(random: Random, people: number, [nearest, farthest]: readonly [number, number] = [1.6, 4]): Scene {
  const seconds = 20;
  return {
    ...ordinary,
    seconds,
    people: crowd(random, people, seconds, () => across(random, random.between(nearest, farthest))),
  };
}

/** Towards the camera and out below or beside it. */
function approaching(random: Random): Scene {
  const seconds = 20;
  const places = (): Place[] => {
    const side = random.chance(0.5) ? 1 : -1;
    return [
      { x: random.between(-1, 1), z: 5.5 },
      { x: random.between(-0.3, 0.3), z: 2 },
      { x: side * edgeAt(1.2), z: 1.2 },
    ];
  };
  return { ...ordinary, seconds, people: crowd(random, 5, seconds, places) };
}

/** Two and two meet in the middle of the picture. */
function crossing(random: Random): Scene {
  const people = Array.from({ length: 6 }, (_, id) => {
    const z = random.between(2, 3.5) + (id % 2) * random.between(0.3, 0.8);
    const [from, to] = [-edgeAt(z), edgeAt(z)];
    const places = id % 2 === 0 ? [from, to] : [to, from];
    const begin = Math.floor(id / 2) * 6 + random.between(0, 0.8);
    return personOn(id, walk(places.map((x) => ({ x, z })), pace(random), begin), random); // prettier-ignore
  });
  return { ...ordinary, seconds: 22, people };
}

/** Some stand and talk, others pass before them. */
function standing(random: Random): Scene {
  const people = [-0.9, 0, 0.9].map((x, id) => {
    const place = { x: x + random.normal(0, 0.1), z: random.between(2.8, 3.4) };
    const there = Array.from({ length: 12 }, () => place);
    return personOn(id, walk([{ x: -edgeAt(3.2), z: 3.2 }, ...there, { x: edgeAt(3.2), z: 3.2 }], 1.2, id * 0.9), random); // prettier-ignore
  });
  const passers = Array.from({ length: 4 }, (_, index) =>
    personOn(3 + index, walk(across(random, random.between(1.5, 2.2)), pace(random), 4 + index * 3.2), random),
  );
  return { ...ordinary, seconds: 22, people: [...people, ...passers] };
}

/** Everybody walks behind a pillar that hides them for about so long, s. */
function behindPillar(random: Random, shortest: number, longest: number): Scene {
  const seconds = 25;
  const pillar: Pillar = { x: random.normal(0, 0.3), z: 1.5, halfWidth: 0 };
  const people = Array.from({ length: 5 }, (_, id) => {
    const z = random.between(2.4, 3.4);
    return personOn(id, walk(across(random, z), pace(random), id * 3.5 + random.between(0, 2)), random);
  });
  // At 1.3 m/s, 2.9 m away; a face's width is hidden by the pillar's edges alone.
  const hidden = random.between(shortest, longest) * 1.3 + 0.08;
  return { ...ordinary, seconds, people, pillars: [{ ...pillar, halfWidth: (hidden / 2) * (1.5 / 2.9) }] };
}

export const sceneKinds: readonly SceneKind[] = [
  { name: 'passing', shows: 'people walk through, mostly one by one', draw: (random) => passing(random, 5) },
  { name: 'approaching', shows: 'people walk towards the camera', draw: approaching },
  { name: 'crossing', shows: 'people cross each other’s way', draw: crossing },
  { name: 'standing', shows: 'people stand while others pass before them', draw: standing },
  {
    name: 'pillar',
    shows: 'a pillar hides people for 0.3 to 0.8 s at 1.3 m/s; who is slow, for longer than a track stays open',
    draw: (random) => behindPillar(random, 0.3, 0.8),
  },
  { name: 'crowd', shows: 'twelve people within 20 s', draw: (random) => passing(random, 12) },
  {
    name: 'slow',
    shows: 'five frames a second, a quarter of them dropped',
    draw: (random) => ({ ...passing(random, 5), framesPerSecond: 5, dropped: 0.25 }),
  },
  {
    name: 'gaps',
    shows: 'the camera stops for 0.4 to 0.8 s every 4 s',
    draw: (random) => ({ ...passing(random, 5), secondsBetweenGaps: 4 }),
  },
  {
    name: 'hidden',
    shows: 'a wall hides people for 1 to 2 s at 1.3 m/s: longer than a track stays open',
    draw: (random) => behindPillar(random, 1, 2),
  },
];

/** For films that are rendered: near enough for the default detector, and nobody looks away. */
export function renderedScene(random: Random): Scene {
  const scene = passing(random, 7, [1.1, 2.1]);
  return { ...scene, people: scene.people.map((person) => ({ ...person, turns: [] })) };
}
