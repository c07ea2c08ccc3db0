import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import type { EdgeAgentConfigInput, EdgeAgentStatus } from '@sightline/edge-agent';
import type { rest } from '@sightline/contracts';

/** The program, as a box runs it. */
export const agentProgram = join(dirname(fileURLToPath(import.meta.resolve('@sightline/edge-agent'))), 'main.js');

const START_TIMEOUT_MS = 120_000;

export interface AgentProcess {
  readonly pid: number;
  status(): Promise<EdgeAgentStatus>;
  /** Resident memory of the agent, and of the FFmpeg processes that it has started, MB. */
  memory(): Promise<{ readonly agentMb: number; readonly ffmpegMb: number }>;
  /** Asks it to end; @returns its exit code */
  stop(): Promise<number | null>;
}

/** Provisions a box in a folder, as its operator would, and starts its agent with the given cameras. */
export async function startAgentProcess(
  directory: string,
  provisioning: rest.Provisioning,
  config: Pick<EdgeAgentConfigInput, 'cameras'> & Partial<EdgeAgentConfigInput>,
): Promise<AgentProcess> {
  const dataDirectory = join(directory, 'data');
  await provision(directory, dataDirectory, provisioning);
  const path = join(directory, 'edge-agent.json');
  const written = JSON.parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, JSON.stringify({ ...written, ...config }));
  const child = spawn(process.execPath, [agentProgram, 'run', '--config', path], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // As its systemd unit and its image set it.
    env: { ...process.env, MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '262144' },
  });
  const log = createWriteStream(join(directory, 'agent.log'));
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const status = async (): Promise<EdgeAgentStatus> =>
    JSON.parse(await get(join(dataDirectory, 'agent.sock'), '/status')) as EdgeAgentStatus;
  await untilUp(status);
  return {
    pid: child.pid ?? 0,
    status,
    memory: () => memoryOf(child.pid ?? 0),
    stop: async () => {
      child.kill('SIGTERM');
      const [code] = await exited;
      return code;
    },
  };
}

async function provision(directory: string, dataDirectory: string, provisioning: rest.Provisioning): Promise<void> {
  const args = ['provision', '-', '--directory', directory, '--data-directory', dataDirectory];
  const child: ChildProcess = spawn(process.execPath, [agentProgram, ...args], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  child.stdin?.end(JSON.stringify(provisioning));
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`provisioning ended with ${String(code)}`);
}

/** Resolves once the agent answers; a busy machine takes a while to load it. */
async function untilUp(status: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await status();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(200);
    }
  }
}

/** The body of a local API's answer. */
export async function get(socketPath: string, path: string): Promise<string> {
  const asked = request({ socketPath, path, timeout: 5000 });
  asked.end();
  const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream];
  return text(response);
}

async function memoryOf(pid: number): Promise<{ readonly agentMb: number; readonly ffmpegMb: number }> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const children = new Set<string>();
  for (const task of tasks) {
    const ids = await readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '');
    for (const id of ids.split(' ').filter(Boolean)) children.add(id);
  }
  const ofChildren = await Promise.all([...children].map(residentMb));
  return { agentMb: await residentMb(String(pid)), ffmpegMb: ofChildren.reduce((sum, mb) => sum + mb, 0) };
}

async function residentMb(pid: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
}
