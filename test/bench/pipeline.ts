import type { VerifiedBundle } from '@sightline/contracts';
import { defaultBundle } from '@sightline/testing';
import type { Frame } from '@sightline/vision';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { countRuns } from './count-runs.js';
import { FrameRuns } from './frame-runs.js';
import { composeFrame, faceCounts, perFrame, type PerFrame } from './frames.js';
import { IsolatedModelRuns } from './isolated-models.js';
import { overhead, overheadRounds } from './overhead.js';
import { comparePeers, type FailedPeer, type PeerComparison } from './peer-comparison.js';
import { writeReport } from './report.js';
import { median, significant } from './statistics.js';

const usage = `npm run bench:pipeline -- [--rounds 40] [--peer-rounds 7] [--no-peers]

Measures, on 720p frames with 1, 3 and 10 real faces, one thread each:
  embedder     the imported embedder against the one that npm has
  overFloor    a frame's way to its templates over the fastest isolated runs of the models that it calls
  overFaceApi  @vladmandic/face-api, and human, over ours on the same frames (test/bench-peers)
and faces a second on two workers. Writes reports/pipeline.json.

  --rounds       of our own measurements
  --peer-rounds  of those with the peers
  --no-peers     leaves them out; else they are installed on the first run`;

/** At least, or at most: what the benchmark is held against. */
const targets: Readonly<Record<string, string>> = {
  'embedder.speedupOverShipped': '≥ 15',
  'embedder.maxDifference': '≤ 1e-5',
  'overFloor.1': '≤ 1.20',
  'overFloor.3': '≤ 1.15',
  'overFloor.10': '≤ 1.12',
  'overFaceApi.3': '≥ 12',
};

async function composeFrames(): Promise<PerFrame<Frame>> {
  const [one, three, ten] = await Promise.all([composeFrame(1), composeFrame(3), composeFrame(10)]);
  return { 1: one, 3: three, 10: ten };
}

/** All faces of the frames: each must show what it is named for. */
async function findFaces(frames: PerFrame<Frame>, ours: FrameRuns) {
  const found = [];
  for (const count of faceCounts) {
    const faces = await ours.faces(frames[count]);
    if (faces.length !== count) throw new Error(`${faces.length} faces found in the frame that shows ${count}`);
    found.push(...faces);
  }
  return found;
}

/** Speed of the embedder as shipped against the imported one, and the vectors of all faces of the frames. */
async function compareEmbedders(
  faces: Awaited<ReturnType<typeof findFaces>>,
  rounds: number,
  models: IsolatedModelRuns,
) {
  console.error('The embedder as shipped …');
  const { shipped, imported } = await models.compareEmbedders(rounds);
  const differences: number[] = [];
  for (const face of faces) differences.push(await models.embeddingDifference(face));
  return {
    speedupOverShipped: median(shipped.map((ms, round) => ms / (imported[round] ?? Number.NaN))),
    maxDifference: Math.max(...differences),
    faces: faces.length,
    shippedMs: median(shipped),
    importedMs: median(imported),
  };
}

/** Faces a second with both cores at work: two workers, four frames under way. */
async function throughput(bundle: VerifiedBundle, frames: PerFrame<Frame>) {
  console.error('Two workers …');
  const ours = await FrameRuns.open(bundle, 2);
  try {
    const measured = perFrame((): number[] => []);
    for (let round = 0; round <= 7; round++) {
      for (const faces of faceCounts) {
        const perSecond = await ours.throughput(frames[faces], 4, 1000);
        if (round > 0) measured[faces].push(perSecond); // the first warms up
      }
    }
    return perFrame((faces) => ({ median: median(measured[faces]), best: Math.max(...measured[faces]) }));
  } finally {
    await ours.close();
  }
}

function peerReport(comparisons: readonly (PeerComparison | FailedPeer)[]) {
  const ratios: Record<string, PerFrame<number>> = {};
  const peers: Record<string, object> = {};
  for (const { definition, ...comparison } of comparisons) {
    if ('ratio' in comparison) {
      const { ratio, ...rest } = comparison;
      ratios[definition.key] = ratio;
      peers[definition.key] = { title: definition.title, ...rest };
    } else peers[definition.key] = { title: definition.title, ...comparison };
  }
  return { ...ratios, peers };
}

/** A report's numbers to four significant digits. */
function rounded(value: unknown): unknown {
  if (typeof value === 'number') return significant(value);
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, rounded(part)]));
}

interface Row {
  readonly key: string;
  readonly value: number;
  readonly ms?: string;
}

function printTable(rows: readonly Row[]): void {
  console.table(
    rows.map(({ key, value, ms }) => ({ key, value: significant(value), target: targets[key] ?? '', ms: ms ?? '' })),
  );
}

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '40' },
    'peer-rounds': { type: 'string', default: '7' },
    'no-peers': { type: 'boolean', default: false },
  },
});
const [rounds, peerRounds] = [Number(values.rounds), Number(values['peer-rounds'])];
if (values.help || !(rounds >= 1 && peerRounds >= 1)) {
  console.log(usage);
  process.exit(values.help ? 0 : 2);
}

const [load = 0] = loadavg();
if (load > 0.5) console.error(`The machine is busy (load ${load.toFixed(1)}): figures will be too high.`);
const bundle = await defaultBundle();
const frames = await composeFrames();
const calls = await countRuns(bundle.manifest);
const ours = await FrameRuns.open(bundle, 1);
const faces = await findFaces(frames, ours);
const [first] = faces;
if (first === undefined) throw new Error('no face');
const models = await IsolatedModelRuns.start(bundle, frames[1], first);
const embedder = await compareEmbedders(faces, Math.min(rounds, 20), models);
const measured = await overheadRounds(frames, rounds, ours, models);
await models.close();
const overheads = perFrame((count) => overhead(measured[count], calls[count]));
const peers = values['no-peers'] ? [] : await comparePeers(frames, peerRounds, ours);
await ours.close();
const facesPerSecond = await throughput(bundle, frames);

const ms = (value: number): string => value.toFixed(1);
printTable([
  {
    key: 'embedder.speedupOverShipped',
    value: embedder.speedupOverShipped,
    ms: `${ms(embedder.shippedMs)} → ${embedder.importedMs.toFixed(2)}`,
  },
  { key: 'embedder.maxDifference', value: embedder.maxDifference },
  ...faceCounts.map((count) => {
    const { overFloor, frameMs, floorMs, cpuOverCpu } = overheads[count];
    const beside = `${ms(frameMs.fastest)} over ${ms(floorMs.fastest)}; of CPU time ${cpuOverCpu.toFixed(2)}`;
    return { key: `overFloor.${count}`, value: overFloor, ms: beside };
  }),
  ...peers.flatMap((peer) =>
    'ratio' in peer
      ? faceCounts.map((count) => ({
          key: `${peer.definition.key}.${count}`,
          value: peer.ratio[count],
          ms: `${ms(peer.peerMs[count])} over ${ms(peer.ourMs[count])}, ${peer.found[count]} of ${count} faces; of CPU time ${peer.cpuOverCpu[count].toFixed(1)}`,
        }))
      : [{ key: peer.definition.key, value: Number.NaN, ms: peer.failure }],
  ),
  ...faceCounts.map((count) => ({
    key: `facesPerSecond, ${count} a frame`,
    value: facesPerSecond[count].median,
  })),
]);
await writeReport(
  'pipeline',
  rounded({
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      node: process.version,
      loadAverage: load,
    },
    method: {
      rounds,
      peerRounds,
      overFloor: 'median over the rounds of: fastest frame of the round over fastest runs of the models in the round',
      others: 'median over the rounds of: fastest run of the one over fastest of the other, as many runs each',
    },
    embedder,
    overFloor: perFrame((count) => overheads[count].overFloor),
    frames: overheads,
    ...peerReport(peers),
    facesPerSecond: facesPerSecond[3].median,
    throughput: facesPerSecond,
  }) as object,
);
