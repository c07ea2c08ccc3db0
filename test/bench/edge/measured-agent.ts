import type { EdgeAgentConfigInput, EdgeAgentStatus } from '@sightline/edge-agent';
import type { TenantId } from '@sightline/kernel';
import { templateKeyId } from '@sightline/template-protection';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

type Camera = EdgeAgentConfigInput['cameras'][number];

/** What an agent did within a time. */
export interface AgentRun {
  readonly seconds: number;
  /** Frames a second that were taken, of all cameras. */
  readonly frames: number;
  /** Of them those that were searched for faces. */
  readonly searched: number;
  readonly dropped: number;
  readonly sightings: number;
  /** CPU time of the agent's process with its workers, parts of one core. */
  readonly cpu: number;
  /** The same of its FFmpegs. */
  readonly ffmpegCpu: number;
}

interface Sample {
  readonly cpuMs: number;
  readonly atMs: number;
  readonly cameras: EdgeAgentStatus['cameras'];
}

/** Before measuring, s: FFmpeg starts, code is compiled, the first people are found. */
const WARM_UP_SECONDS = 4;
/** Linux counts the CPU time of a process in hundredths of a second. */
const TICK_MS = 10;

/** Runs an agent in a process of its own. @param directory for its data; a new one for each run */
export async function runAgent(directory: string, cameras: readonly Camera[], seconds: number): Promise<AgentRun> {
  const child = fork(new URL('measured-agent-child.js', import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const gone = once(child, 'exit');
  try {
    child.send(configuration(directory, cameras));
    await answer(child, gone);
    await sleep(WARM_UP_SECONDS * 1000);
    const ffmpegs = await childrenOf(child.pid ?? 0);
    const before = await sample(child, gone);
    const ffmpegBefore = await cpuMsOf(ffmpegs);
    await sleep(seconds * 1000);
    const after = await sample(child, gone);
    const ffmpegMs = (await cpuMsOf(ffmpegs)) - ffmpegBefore;
    const passedMs = after.atMs - before.atMs;
    const sum = (key: 'frames' | 'sparedFrames' | 'droppedFrames' | 'sightings'): number =>
      total(after, key) - total(before, key);
    return {
      seconds: passedMs / 1000,
      frames: (sum('frames') * 1000) / passedMs,
      searched: ((sum('frames') - sum('sparedFrames')) * 1000) / passedMs,
      dropped: (sum('droppedFrames') * 1000) / passedMs,
      sightings: sum('sightings'),
      cpu: (after.cpuMs - before.cpuMs) / passedMs,
      ffmpegCpu: ffmpegMs / passedMs,
    };
  } finally {
    if (child.exitCode === null) child.send('stop');
    await gone;
  }
}

function total({ cameras }: Sample, key: 'frames' | 'sparedFrames' | 'droppedFrames' | 'sightings'): number {
  return cameras.reduce((all, camera) => all + camera[key], 0);
}

async function sample(child: ChildProcess, gone: Promise<unknown>): Promise<Sample> {
  child.send('sample');
  return (await answer(child, gone)) as Sample;
}

async function answer(child: ChildProcess, gone: Promise<unknown>): Promise<unknown> {
  const [message] = (await Promise.race([
    once(child, 'message'),
    gone.then(() => {
      throw new Error('the agent has ended');
    }),
  ])) as [unknown];
  return message;
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const listed = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return listed.split(' ').filter(Boolean).map(Number);
}

/** CPU time of processes so far, ms: fields 14 and 15 of /proc/pid/stat (proc(5)). */
async function cpuMsOf(pids: readonly number[]): Promise<number> {
  const each = pids.map(async (pid) => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  });
  return (await Promise.all(each)).reduce((all, ms) => all + ms, 0);
}

function configuration(directory: string, cameras: readonly Camera[]): EdgeAgentConfigInput {
  const key = { secret: Buffer.alloc(32, 7), tenantId: 'acme' as TenantId, epoch: 1 };
  return {
    dataDirectory: directory,
    provisioning: {
      ...{ tenantId: key.tenantId, deviceId: 'box-1', siteId: 'main' },
      // Nobody listens there.
      mqtt: { url: 'mqtt://127.0.0.1:1', username: 'acme/box-1', password: 'secret' },
      templateKey: { keyId: templateKeyId(key), epoch: key.epoch, secret: key.secret.toString('base64') },
      release: { repositoryUrl: 'http://127.0.0.1:9/repository', trustedRoot: 'e30=' },
    },
    cameras: [...cameras],
    recognition: { workers: 2 },
    localApi: { enabled: false },
    logLevel: 'error',
  };
}
