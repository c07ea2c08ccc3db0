import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** Seen from `dist/bench`: peers are plain JavaScript and are not built. */
const folder = fileURLToPath(new URL('../../bench-peers', import.meta.url));

export interface PeerDefinition {
  /** As in the report's keys. */
  readonly key: string;
  readonly title: string;
  readonly module: string;
  readonly arguments: readonly string[];
}

export const peerDefinitions: readonly PeerDefinition[] = [
  { key: 'overFaceApi', title: 'face-api, SSD MobileNet', module: 'face-api.mjs', arguments: ['ssd'] },
  { key: 'overFaceApiTiny', title: 'face-api, tiny detector', module: 'face-api.mjs', arguments: ['tiny'] },
  { key: 'overHuman', title: 'human', module: 'human.mjs', arguments: [] },
];

/** A frame in a file: raw RGB. */
export interface FrameFile {
  readonly path: string;
  readonly width: number;
  readonly height: number;
}

const failure = z.object({ error: z.string() });
const started = z.object({ settings: z.record(z.string(), z.unknown()) });
const measured = z.object({ ms: z.array(z.number()), cpuMs: z.number(), found: z.number().int() });
export type PeerRuns = z.infer<typeof measured>;

const modifiedMs = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );

/** Installs the peers from their own lock file, unless that was done before. */
export async function installPeers(): Promise<void> {
  const [lock, installed] = await Promise.all(
    ['package-lock.json', 'node_modules/.package-lock.json'].map((name) => modifiedMs(join(folder, name))),
  );
  if ((installed ?? 0) >= (lock ?? 0)) return;
  console.error('Installing the peers …');
  const npm = spawn('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  const [code] = (await once(npm, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the peers cannot be installed: npm ended with ${code ?? 'a signal'}`);
}

/** Another library in a process of its own. It measures itself: nothing of the transport is in its times. */
export class Peer {
  readonly definition: PeerDefinition;
  /** What it runs with, as it says. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly #child: ChildProcess;

  private constructor(definition: PeerDefinition, settings: Peer['settings'], child: ChildProcess) {
    this.definition = definition;
    this.settings = settings;
    this.#child = child;
  }

  /** @throws Error with the peer's own words when it cannot start */
  static async start(definition: PeerDefinition, frames: readonly FrameFile[]): Promise<Peer> {
    const child = fork(join(folder, definition.module), definition.arguments, { stdio: ['ignore', 2, 2, 'ipc'] });
    const { settings } = started.parse(await ask(child, { frames }));
    return new Peer(definition, settings, child);
  }

  /** @param frame index among the frames that it was started with */
  async measure(frame: number, runs: number): Promise<PeerRuns> {
    return measured.parse(await ask(this.#child, { frame, runs }));
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}

async function ask(child: ChildProcess, request: object): Promise<unknown> {
  const answered = new AbortController();
  const { signal } = answered;
  try {
    child.send(request);
    const [answer] = (await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(([code]) => {
        throw new Error(`it ended with exit code ${String(code)}`);
      }),
    ])) as [unknown];
    const failed = failure.safeParse(answer);
    if (failed.success) throw new Error(failed.data.error);
    return answer;
  } finally {
    answered.abort();
  }
}
