import { execFile } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';

/** A named pipe into which commands write: what arrives is noticed at once. */
export class CommandReceiver {
  readonly path: string;
  readonly #socket: Socket;

  private constructor(path: string, onArrival: () => void) {
    this.path = path;
    // For writing as well, so that it does not end with each of its writers.
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.on('data', onArrival);
  }

  static async open(path: string, onArrival: () => void): Promise<CommandReceiver> {
    await promisify(execFile)('mkfifo', [path]);
    return new CommandReceiver(path, onArrival);
  }

  close(): void {
    this.#socket.destroy();
  }
}
