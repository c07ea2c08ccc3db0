import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An HTTP MJPEG camera for tests, ten pictures a second, which falls silent and comes back as it is told. */
export class MjpegCamera {
  readonly #password: string;
  readonly #server: Server;
  readonly #viewers = new Set<ServerResponse>();
  readonly #timer: NodeJS.Timeout;
  picture: Buffer;
  /** Says nothing, but keeps its connections and takes new ones. */
  silent = false;
  /** Connections that it has had with the right password. */
  connections = 0;

  constructor(picture: Buffer, password: string) {
    this.picture = picture;
    this.#password = password;
    this.#server = createServer((request, response) => this.#serve(request.headers.authorization, response));
    this.#timer = setInterval(() => this.#send(), 100);
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  urlWith(password: string): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://viewer:${encodeURIComponent(password)}@127.0.0.1:${port}/video?channel=1`;
  }

  get url(): string {
    return this.urlWith(this.#password);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #serve(authorization: string | undefined, response: ServerResponse): void {
    const expected = `Basic ${Buffer.from(`viewer:${this.#password}`).toString('base64')}`;
    if (authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="camera"' }).end();
      return;
    }
    this.connections += 1;
    response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=picture' });
    this.#viewers.add(response);
    response.on('close', () => this.#viewers.delete(response));
  }

  #send(): void {
    if (this.silent) return;
    const head = `--picture\r\nContent-Type: image/jpeg\r\nContent-Length: ${this.picture.length}\r\n\r\n`;
    for (const viewer of this.#viewers)
      viewer.write(Buffer.concat([Buffer.from(head), this.picture, Buffer.from('\r\n')]));
  }
}
