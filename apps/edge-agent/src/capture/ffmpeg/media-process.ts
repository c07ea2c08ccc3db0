import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

import type { Clock } from '@sightline/kernel';

import type { FfmpegInvocation } from './invocation.js';
import { openOutputSocket } from './output-socket.js';

/** How a process ended. */
export interface MediaExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Set when there is no such program. */
  readonly missing?: boolean;
}

export interface MediaProcess {
  /** Resolves when the process is gone and all that it wrote was read. Never rejects. */
  readonly exited: Promise<MediaExit>;
  /** Ends it, by force if need be; resolves as `exited` does. */
  stop(): Promise<void>;
}

export interface MediaOutput {
  /** The chunk is overwritten after the call. */
  readonly onOutput: (chunk: Uint8Array) => void;
  readonly onLog: (text: string) => void;
}

export type StartMediaProcess = (invocation: FfmpegInvocation, output: MediaOutput) => Promise<MediaProcess>;

/** From asking FFmpeg to end (it takes leave of the camera) to ending it. */
const GRACE_MS = 2000;
/** What `setpriv` and a shell answer when there is no such program. */
const NO_SUCH_PROGRAM = 127;

/**
 * Starts FFmpeg processes that cannot outlive this one: `setpriv` of util-linux asks the kernel to kill them with
 * it (PR_SET_PDEATHSIG), which also holds when this one gets SIGKILL while a camera is silent. Where there is no
 * such `setpriv`, FFmpeg ends at its next frame, for which it finds no reader.
 */
export function ffmpegStarter(clock: Clock): StartMediaProcess {
  let guard: Promise<readonly string[]> | undefined;
  return async (invocation, output) => {
    guard ??= findGuard();
    const [command = 'ffmpeg', ...args] = [...(await guard), 'ffmpeg', ...invocation.args];
    return start(command, args, invocation.input, output, clock);
  };
}

async function findGuard(): Promise<readonly string[]> {
  const guard = ['--pdeathsig', 'KILL', '--'];
  try {
    await promisify(execFile)('setpriv', [...guard, 'true']);
    return ['setpriv', ...guard];
  } catch {
    return [];
  }
}

async function start(
  command: string,
  args: readonly string[],
  input: string,
  { onOutput, onLog }: MediaOutput,
  clock: Clock,
): Promise<MediaProcess> {
  // Where no folder can be made for it, Node's own way serves, at twice the cost.
  const output = await openOutputSocket(onOutput).catch(() => undefined);
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', output?.writer ?? 'pipe', 'pipe'] });
  output?.writer.destroy();
  child.stdout?.on('data', onOutput);
  child.stderr?.setEncoding('utf8').on('data', onLog);
  // It may be gone before it has read its script; its exit tells.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => undefined);
  child.stdin?.end(input);
  const gone = new Promise<MediaExit>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, missing: error.code === 'ENOENT' });
    });
    child.once('close', (code, signal) => resolve({ code, signal, missing: code === NO_SUCH_PROGRAM }));
  });
  const exited = gone.then(async (exit) => {
    await output?.ended;
    return exit;
  });
  const stop = async (): Promise<void> => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      await exited;
      return;
    }
    // It may be waiting for its output to be read; nobody wants that any more.
    output?.stop();
    child.stdout?.destroy();
    child.kill('SIGTERM');
    const ended = new AbortController();
    const force = clock.sleep(GRACE_MS, ended.signal).then(
      () => child.kill('SIGKILL'),
      () => undefined,
    );
    await once(child, 'exit');
    ended.abort();
    await force;
    await exited;
  };
  return { exited, stop };
}
