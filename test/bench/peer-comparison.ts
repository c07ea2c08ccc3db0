import type { Frame } from '@sightline/vision';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { times, type FrameRuns } from './frame-runs.js';
import { faceCounts, frameHeight, frameWidth, perFrame, type FaceCount, type PerFrame } from './frames.js';
import { installPeers, Peer, peerDefinitions, type FrameFile, type PeerDefinition } from './peers.js';
import { fastest, median } from './statistics.js';

/** Runs in a round, on either side. */
const RUNS = 2;

export interface PeerComparison {
  readonly definition: PeerDefinition;
  /** Its time over ours: the median over the rounds of the fastest of each round. */
  readonly ratio: PerFrame<number>;
  /** The same of CPU time, the median over the rounds. */
  readonly cpuOverCpu: PerFrame<number>;
  /** Faces that it described; ours are as many as the frame has. */
  readonly found: PerFrame<number>;
  readonly peerMs: PerFrame<number>;
  readonly ourMs: PerFrame<number>;
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface FailedPeer {
  readonly definition: PeerDefinition;
  readonly failure: string;
}

/** The frames through each peer and through our recogniser, in turns. A peer that cannot run says why. */
export async function comparePeers(
  frames: PerFrame<Frame>,
  rounds: number,
  ours: FrameRuns,
): Promise<readonly (PeerComparison | FailedPeer)[]> {
  await installPeers();
  const folder = await mkdtemp(join(tmpdir(), 'sightline-bench-'));
  try {
    const files = faceCounts.map((faces): FrameFile => {
      return { path: join(folder, `${faces}.rgb`), width: frameWidth, height: frameHeight };
    });
    for (const [index, faces] of faceCounts.entries()) {
      await writeFile(files[index]?.path ?? '', Uint8Array.from(frames[faces].data));
    }
    const comparisons: (PeerComparison | FailedPeer)[] = [];
    for (const definition of peerDefinitions) {
      console.error(`${definition.title} …`);
      comparisons.push(await compareOrFail(definition, files, frames, rounds, ours));
    }
    return comparisons;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compareOrFail(
  definition: PeerDefinition,
  files: readonly FrameFile[],
  frames: PerFrame<Frame>,
  rounds: number,
  ours: FrameRuns,
): Promise<PeerComparison | FailedPeer> {
  let peer: Peer;
  try {
    peer = await Peer.start(definition, files);
  } catch (error) {
    return { definition, failure: error instanceof Error ? error.message : String(error) };
  }
  try {
    return await compare(peer, frames, rounds, ours);
  } finally {
    await peer.close();
  }
}

async function compare(peer: Peer, frames: PerFrame<Frame>, rounds: number, ours: FrameRuns): Promise<PeerComparison> {
  const theirs = perFrame((): number[] => []);
  const own = perFrame((): number[] => []);
  const ofCpu = perFrame((): number[] => []);
  const found: Record<FaceCount, number> = { 1: 0, 3: 0, 10: 0 };
  for (let round = 0; round <= rounds; round++) {
    for (const [index, faces] of faceCounts.entries()) {
      const peerRuns = await peer.measure(index, RUNS);
      const { runs, cpuMs } = await ours.repeat(frames[faces], RUNS);
      found[faces] = peerRuns.found;
      if (round === 0) continue; // warms up
      theirs[faces].push(fastest(peerRuns.ms));
      own[faces].push(fastest(times(runs)));
      ofCpu[faces].push(peerRuns.cpuMs / cpuMs);
    }
  }
  return {
    definition: peer.definition,
    ratio: perFrame((faces) => median(theirs[faces].map((ms, round) => ms / (own[faces][round] ?? Number.NaN)))),
    cpuOverCpu: perFrame((faces) => median(ofCpu[faces])),
    found,
    peerMs: perFrame((faces) => median(theirs[faces])),
    ourMs: perFrame((faces) => median(own[faces])),
    settings: peer.settings,
  };
}
