import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

import { installPeers } from '../peers.js';
import { significant } from '../statistics.js';
import { JavaScriptLoop } from './brute-force.js';
import { dimension, personOf, samplesEach, shotOf } from './faces.js';
import { timesOf, type Times } from './times.js';

/** Seen from `dist/bench/gallery`: peers are plain JavaScript and are not built. */
const folder = fileURLToPath(new URL('../../../bench-peers', import.meta.url));
const queries = 100;
const warmUp = 20;
/** The shot that a person is looked up by: no template is made of it. */
const probeShot = samplesEach;

interface PeerDefinition {
  readonly key: 'usearch' | 'hnswlib';
  readonly variant: 'exact' | 'graph';
  readonly argument: string;
  readonly sizes: readonly string[];
}

/** Graphs take minutes to build at 100,000: there only what needs none. */
const definitions: readonly PeerDefinition[] = [
  { key: 'usearch', variant: 'exact', argument: 'usearch-exact', sizes: ['10k', '100k'] },
  { key: 'usearch', variant: 'graph', argument: 'usearch', sizes: ['10k'] },
  { key: 'hnswlib', variant: 'graph', argument: 'hnswlib', sizes: ['10k'] },
];

const failure = z.object({ error: z.string() });
const measured = z.object({
  buildMs: z.number(),
  ms: z.array(z.number()),
  nearest: z.array(z.number().int()),
  settings: z.record(z.string(), z.unknown()),
});

export interface PeerReport extends Times {
  readonly buildSeconds: number;
  /** Share of queries whose nearest person is that of a search over everything. */
  readonly recall1: number;
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface FailedPeer {
  readonly failure: string;
}

type PeerReports = Readonly<
  Record<string, Readonly<Record<string, Readonly<Record<string, PeerReport | FailedPeer>>>>>
>;

/** Other libraries on the same faces, by library, kind and size. One that cannot run says why. */
export async function measurePeers(sizes: Readonly<Record<string, number>>): Promise<PeerReports> {
  await installPeers();
  await buildHnswlib();
  const directory = await mkdtemp(join(tmpdir(), 'sightline-bench-'));
  const reports: Record<string, Record<string, Record<string, PeerReport | FailedPeer>>> = {};
  try {
    for (const [size, templates] of Object.entries(sizes)) {
      const question = await writeFaces(directory, templates);
      for (const { key, variant, argument, sizes: own } of definitions) {
        if (!own.includes(size)) continue;
        console.error(`${key}, ${variant}, ${templates.toLocaleString('en')} …`);
        ((reports[key] ??= {})[variant] ??= {})[size] = await measure(argument, question);
      }
    }
    return reports;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Question {
  readonly vectors: string;
  readonly queries: string;
  /** The nearest person of each query. */
  readonly truth: readonly number[];
}

async function writeFaces(directory: string, templates: number): Promise<Question> {
  const [vectors, queriesPath] = [join(directory, 'vectors'), join(directory, 'queries')];
  const loop = new JavaScriptLoop(templates);
  await writeFile(vectors, new Uint8Array(loop.vectors.buffer));
  const people = Math.floor(templates / samplesEach);
  const shots = Array.from({ length: queries }, (_, index) => shotOf((index * 7919) % people, probeShot));
  const all = new Float32Array(queries * dimension);
  shots.forEach((shot, index) => all.set(shot, index * dimension));
  await writeFile(queriesPath, new Uint8Array(all.buffer));
  return { vectors, queries: queriesPath, truth: shots.map((shot) => loop.nearest(shot)) };
}

async function measure(
  argument: string,
  { vectors, queries: path, truth }: Question,
): Promise<PeerReport | FailedPeer> {
  const child = fork(join(folder, 'gallery.mjs'), [argument], { stdio: ['ignore', 2, 2, 'ipc'] });
  try {
    const ended = once(child, 'exit').then(([code]): unknown => ({ error: `it ended with ${String(code)}` }));
    const answered = once(child, 'message').then(([message]): unknown => message);
    child.send({ vectors, queries: path, dimension, warmUp });
    const answer = await Promise.race([answered, ended]);
    const failed = failure.safeParse(answer);
    if (failed.success) return { failure: failed.data.error };
    const { buildMs, ms, nearest, settings } = measured.parse(answer);
    const right = nearest.filter((template, index) => personOf(template) === truth[index]).length;
    const buildSeconds = significant(buildMs / 1000);
    return { ...timesOf(ms), buildSeconds, recall1: right / nearest.length, settings };
  } finally {
    child.disconnect();
  }
}

/** hnswlib-node brings sources alone. Where there is no compiler, it says so itself when it is started. */
async function buildHnswlib(): Promise<void> {
  const built = join(folder, 'node_modules/hnswlib-node/build/Release/addon.node');
  if (await stat(built).catch(() => undefined)) return;
  console.error('Building hnswlib-node …');
  const npm = spawn('npm', ['rebuild', 'hnswlib-node', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  await once(npm, 'exit');
}
