import type { DemoScriptInput } from '@sightline/edge-agent';

import { cast, photoPath, portraitCrop, type CastMember } from './casting.js';

type DemoPass = DemoScriptInput['passes'][number];

/** How often each role passes the camera with each photo. */
const ROUNDS = { enrolled: 4, stranger: 3, second: 2 } as const;
const FRAMES_PER_SECOND = 10;
/** Frames of one pass, and empty frames after it: longer than the agent takes to close a sighting. */
const PASS_FRAMES = 8;
const GAP_FRAMES = 4;
export const CLOSE_AFTER_MS = 300;

type Motion = DemoPass['motion'] & { readonly jpegQuality: number };

/** What the camera does in each round; the numbers are those of the script's motions. */
const MOTIONS = [
  // walks by and comes nearer
  { x: [0.38, 0.6], height: [0.7, 0.95], rotation: [-4, 4], brightness: [1, 1], blur: [0, 0], jpegQuality: 85 },
  // in the dark, head tilted
  { x: [0.6, 0.45], height: [0.9, 0.85], rotation: [10, 4], brightness: [0.45, 0.6], blur: [0, 0], jpegQuality: 80 },
  // out of focus, then sharp
  { x: [0.5, 0.5], height: [0.8, 0.8], rotation: [0, -6], brightness: [1.1, 1], blur: [2.4, 0.3], jpegQuality: 75 },
  // further away, over a poor link
  { x: [0.35, 0.55], height: [0.6, 0.7], rotation: [-8, -2], brightness: [0.8, 1], blur: [0.6, 0.6], jpegQuality: 45 },
] as const satisfies readonly Motion[];

function passesOf(member: CastMember, round: number): readonly Omit<DemoPass, 'id'>[] {
  const { jpegQuality, ...motion }: Motion = MOTIONS[round % MOTIONS.length] ?? MOTIONS[0];
  const appearances = [
    ...(round < ROUNDS[member.role] ? [member.portrait] : []),
    ...(member.second && round < ROUNDS.second ? [member.second] : []),
  ];
  return appearances.map((appearance) => ({
    label: member.name,
    photo: photoPath(appearance.photo),
    crop: portraitCrop(appearance),
    frames: PASS_FRAMES,
    motion: { ...motion, y: [0.5, 0.52], sway: 1.5 },
    jpegQuality,
  }));
}

/** The script that the demo camera plays: everybody passes a few times, each time otherwise. */
export function demoScript(seed: number): DemoScriptInput {
  const rounds = Array.from({ length: Math.max(...Object.values(ROUNDS)) }, (_, round) => round);
  const passes = rounds.flatMap((round) => cast.flatMap((member) => passesOf(member, round)));
  return {
    formatVersion: 1,
    seed,
    framesPerSecond: FRAMES_PER_SECOND,
    gapFrames: GAP_FRAMES,
    passes: passes.map((pass, index) => ({ id: `pass-${String(index + 1).padStart(3, '0')}`, ...pass })),
  };
}
