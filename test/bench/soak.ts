import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import type { EdgeAgentStatus } from '@sightline/edge-agent';
import { silentLogger } from '@sightline/kernel';
import { CloudClient, openWorkspace, startHubProcess, type DemoWorkspace } from '@sightline/standalone';
import { modelStoreDirectory } from '@sightline/testing';

import { readOutbox } from '../kill/outbox-file.js';
import { writeReport } from './report.js';
import { startAgentProcess, type AgentProcess } from './soak/agent-process.js';
import { slopeOf } from './soak/least-squares.js';
import { passersFilm } from './soak/passers-film.js';
import { significant } from './statistics.js';

// A box under load for a while: four cameras from films through FFmpeg, the agent as a box runs it, a hub beside it.
// The start is not judged: models are loaded and tested, arenas grow to what they need.

const CAMERAS = 4;
const SAMPLE_EVERY_MS = 10_000;
/** A camera that brings no frame for so long is stuck. */
const STUCK_SAMPLES = 3;
const TARGETS = { slopeMbPerMinute: 1, maximumMb: 450 };

interface Sample {
  readonly minutes: number;
  readonly agentMb: number;
  readonly ffmpegMb: number;
  readonly status: EdgeAgentStatus;
}

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '20' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error('--minutes wants a positive number');

const workspace = await openWorkspace(undefined, silentLogger);
try {
  const report = await soak(workspace);
  await writeReport('soak', report);
  console.log(JSON.stringify(report, null, 2));
  if (!report.passed) process.exitCode = 1;
} finally {
  await workspace.close();
}

async function soak(place: DemoWorkspace) {
  const { signal } = new AbortController();
  const hub = await startHubProcess(place, { modelStoreDirectory, falseMatchRate: 1e-4, log: silentLogger, signal });
  try {
    const client = new CloudClient(hub.ready.apiUrl, hub.adminKey);
    const cameras = [];
    for (let index = 0; index < CAMERAS; index += 1) {
      const path = place.path(`film${index}.mp4`);
      await passersFilm(path, index);
      cameras.push({ id: `camera-${index + 1}`, source: { kind: 'file', path, loop: true } as const });
    }
    const provisioning = await client.createDevice({ id: 'soak-box', siteId: 'soak' });
    const directory = place.path('box');
    const agent = await startAgentProcess(directory, provisioning, { cameras });
    const samples = await watch(agent).catch(async (error: unknown) => {
      await agent.stop();
      throw error;
    });
    const exitCode = await agent.stop();
    const outbox = readOutbox(join(directory, 'data', 'outbox.db'));
    return judge(samples, {
      exitCode,
      unacknowledged: outbox.lastSequence - outbox.acknowledgedThrough,
      inCloud: await countSightings(client),
    });
  } finally {
    await hub.process.stop();
  }
}

async function watch(agent: AgentProcess): Promise<readonly Sample[]> {
  const began = performance.now();
  const samples: Sample[] = [];
  const elapsedMs = (): number => performance.now() - began;
  while (elapsedMs() < minutes * 60_000) {
    await sleep(Math.min(SAMPLE_EVERY_MS, Math.max(0, minutes * 60_000 - elapsedMs())));
    const sample = { minutes: elapsedMs() / 60_000, ...(await agent.memory()), status: await agent.status() };
    samples.push(sample);
    const sightings = sample.status.cameras.reduce((sum, camera) => sum + camera.sightings, 0);
    console.error(
      `${sample.minutes.toFixed(1)} min: ${sample.agentMb.toFixed(0)} MB, FFmpeg ${sample.ffmpegMb.toFixed(0)} MB, ` +
        `${sightings} sightings, backlog ${sample.status.outbox.backlog}`,
    );
  }
  return samples;
}

interface End {
  readonly exitCode: number | null;
  readonly unacknowledged: number;
  readonly inCloud: number;
}

function judge(samples: readonly Sample[], { exitCode, unacknowledged, inCloud }: End) {
  const cameras = samples.at(-1)?.status.cameras ?? [];
  const counted = cameras.reduce((sum, camera) => sum + camera.sightings, 0);
  const memory = judgeMemory(samples);
  const stuck = stuckCameras(samples);
  const lost = unacknowledged + Math.max(0, counted - inCloud);
  const isBounded = memory.slopeMbPerMinute < TARGETS.slopeMbPerMinute && memory.maximumMb < TARGETS.maximumMb;
  return {
    minutes,
    targets: TARGETS,
    memory,
    cameras: { count: CAMERAS, stuck },
    sightings: { counted, inCloud, lost },
    frames: cameras.map(({ frames, droppedFrames }) => ({ looked: frames, dropped: droppedFrames })),
    exitCode,
    passed: exitCode === 0 && isBounded && stuck === 0 && lost === 0 && counted > 0,
  };
}

/** The slope is that of the last half. */
function judgeMemory(samples: readonly Sample[]) {
  const half = samples.slice(Math.floor(samples.length / 2));
  const last = samples.at(-1);
  return {
    slopeMbPerMinute: significant(slopeOf(half.map(({ minutes: x, agentMb: y }) => ({ x, y })))),
    maximumMb: significant(Math.max(...samples.map(({ agentMb }) => agentMb))),
    lastMb: significant(last?.agentMb ?? 0),
    ffmpegMb: significant(last?.ffmpegMb ?? 0),
    reliefs: last?.status.memory.reliefs ?? 0,
  };
}

/** How many cameras once brought no frame in several samples in a row. */
function stuckCameras(samples: readonly Sample[]): number {
  const isStill = (camera: number, index: number): boolean => {
    const frames = (at: number): number | undefined => samples[at]?.status.cameras[camera]?.frames;
    return index >= STUCK_SAMPLES && frames(index) === frames(index - STUCK_SAMPLES);
  };
  const wasStuck = (camera: number): boolean => samples.some((_, index) => isStill(camera, index));
  return Array.from({ length: CAMERAS }, (_, camera) => camera).filter(wasStuck).length;
}

async function countSightings(client: CloudClient): Promise<number> {
  let count = 0;
  for await (const sighting of client.sightings()) count += sighting.deviceId === 'soak-box' ? 1 : 0;
  return count;
}
