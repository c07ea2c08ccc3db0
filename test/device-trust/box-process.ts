import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';

import type { EdgeAgentConfigInput, EdgeAgentStatus } from '@sightline/edge-agent';

import { program } from './provision-box.js';

/** An agent in a process of its own. */
export class BoxProcess {
  readonly #child: ChildProcess;

  private constructor(
    child: ChildProcess,
    private readonly socketPath: string,
  ) {
    this.#child = child;
  }

  static async start(config: EdgeAgentConfigInput, file: string): Promise<BoxProcess> {
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    const child = spawn('node', [program('edge-agent'), '--config', file], { stdio: 'ignore' });
    return new BoxProcess(child, join(config.dataDirectory, 'agent.sock'));
  }

  /** What it says of itself on its local API; undefined while that is not there. */
  async status(): Promise<EdgeAgentStatus | undefined> {
    const request = get({ socketPath: this.socketPath, path: '/status' });
    try {
      const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];
      return (await json(response)) as EdgeAgentStatus;
    } catch {
      return undefined;
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}
