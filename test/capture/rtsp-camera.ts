import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { freePort } from '@sightline/testing';

const script = fileURLToPath(new URL('rtsp-server.py', import.meta.url));
/** Debian's, which has the bindings. Another one may come first in the path. */
const PYTHON = '/usr/bin/python3';

/** GStreamer's RTSP server with one film, which can be killed and started again. */
export class RtspCamera {
  readonly #film: string;
  readonly #password: string;
  #port: number | undefined;
  #server: ChildProcess | undefined;

  constructor(film: string, password: string) {
    this.#film = film;
    this.#password = password;
  }

  /** Its port stays the same. */
  async start(): Promise<void> {
    this.#port ??= await freePort();
    const args = [script, String(this.#port), this.#film, 'viewer', this.#password];
    const server = spawn(PYTHON, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#server = server;
    const said = await Promise.race([once(server.stdout, 'data'), once(server, 'exit').then(() => [])]);
    if (String(said[0]).trim() !== 'ready') throw new Error('the RTSP server did not start: is it installed?');
  }

  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server?.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
  }

  urlWith(password: string): string {
    return `rtsp://viewer:${encodeURIComponent(password)}@127.0.0.1:${this.#port}/camera`;
  }

  get url(): string {
    return this.urlWith(this.#password);
  }
}
