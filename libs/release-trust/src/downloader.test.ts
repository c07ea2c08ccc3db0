import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock, type Sha256 } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Downloader, type DownloaderOptions, type DownloadRequest } from './downloader.js';
import { FileServer } from './testing/file-server.js';

const content = randomBytes(300_000);
const sha256 = createHash('sha256').update(content).digest('hex') as Sha256;

let folder: string;
let server: FileServer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-download-'));
  await writeFile(join(folder, 'model.onnx'), content);
  server = await new FileServer(folder).start();
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const path = (): string => join(folder, 'blobs', sha256);
const request = (extra: Partial<DownloadRequest> = {}): DownloadRequest => ({
  url: `${server.url}/model.onnx`,
  path: path(),
  bytes: content.length,
  sha256,
  ...extra,
});
const download = (extra?: Partial<DownloadRequest>, options: Partial<DownloaderOptions> = {}): Promise<void> =>
  new Downloader({
    clock: systemClock,
    fruitlessAttempts: 3,
    backoff: { baseMs: 1, capMs: 2 },
    stallMs: 200,
    ...options,
  }).download(request(extra));

/** Sends the head for the asked range, then these bytes, then breaks the connection or ends it. */
function send(response: ServerResponse, start: number, body: Buffer, end: 'drop' | 'end'): true {
  response.writeHead(start > 0 ? 206 : 200, {
    'content-length': content.length - start,
    ...(start > 0 ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
  });
  response.write(body, () => {
    // Some time for the bytes to arrive: what a reset overtakes is lost.
    if (end === 'drop') setTimeout(() => response.destroy(), 20);
    else response.end();
  });
  return true;
}
const startOf = (range: string | undefined): number => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);

describe('a download', () => {
  it('leaves the whole file under its name, and no part', async () => {
    const seen: number[] = [];
    await download({ onBytes: (bytes) => seen.push(bytes) });
    expect((await readFile(path())).equals(content)).toBe(true);
    expect(await readdir(join(folder, 'blobs'))).toEqual([sha256]);
    expect(seen.at(-1)).toBe(content.length);
  });

  it('asks for nothing when the file is there', async () => {
    await download();
    await download();
    expect(server.requests).toHaveLength(1);
  });

  it('gets on by pieces when the connection drops midway again and again', async () => {
    server.intercept = ({ headers }, response) => {
      const start = startOf(headers.range);
      return start < 250_000 && send(response, start, content.subarray(start, start + 50_000), 'drop');
    };
    await download();
    expect((await readFile(path())).equals(content)).toBe(true);
    expect(server.requests.length).toBeGreaterThan(3);
    expect(server.requests.slice(1).every(({ range }) => range !== undefined)).toBe(true);
  });

  it('fetches no more than a twentieth twice when it is cut off again and again', async () => {
    let sent = 0;
    let cuts = 0;
    server.intercept = ({ headers }, response) => {
      const start = startOf(headers.range);
      const body = content.subarray(start, start + 40_000);
      sent += body.length;
      cuts += 1;
      return send(response, start, body, start + body.length < content.length ? 'drop' : 'end');
    };
    await download();
    expect((await readFile(path())).equals(content)).toBe(true);
    expect(cuts).toBeGreaterThan(5);
    expect(sent).toBeLessThanOrEqual(1.05 * content.length);
  });

  it('keeps to a bandwidth', async () => {
    const began = performance.now();
    // A second's worth comes at once.
    await download({}, { bytesPerSecond: 200_000, stallMs: 5000 });
    expect(performance.now() - began).toBeGreaterThan(450);
  });

  it('goes on with the part that another process left', async () => {
    await download({ url: `${server.url}/missing` }).catch(() => undefined);
    await writeFile(`${path()}.part`, content.subarray(0, 100_000));
    server.requests.length = 0;
    await download();
    expect(server.requests.map(({ range }) => range)).toEqual(['bytes=100000-']);
    expect((await readFile(path())).equals(content)).toBe(true);
  });

  it.each([
    ['longer than the file', Buffer.concat([content, content])],
    ['as long as the file, with other bytes', Buffer.alloc(content.length)],
    ['the beginning of something else', Buffer.alloc(1000)],
  ])('starts anew when the part is %s', async (_what, part) => {
    await download({ url: `${server.url}/missing` }).catch(() => undefined);
    await writeFile(`${path()}.part`, part);
    await download();
    expect((await readFile(path())).equals(content)).toBe(true);
  });

  it('starts anew with a server that ignores Range', async () => {
    server.intercept = ({ headers }, response) => {
      if (headers.range === undefined) return send(response, 0, content.subarray(0, 1000), 'drop');
      response.writeHead(200, { 'content-length': content.length }).end(content);
      return true;
    };
    await download();
    expect((await readFile(path())).equals(content)).toBe(true);
  });

  it('does not trust a server that resumes somewhere else', async () => {
    let dropped = false;
    server.intercept = ({ headers }, response) => {
      if (!dropped) {
        dropped = true;
        return send(response, 0, content.subarray(0, 1000), 'drop');
      }
      if (headers.range === undefined) return false;
      response.writeHead(206, { 'content-range': `bytes 5-${content.length - 1}/${content.length}` });
      response.end(content.subarray(5));
      return true;
    };
    await download();
    expect((await readFile(path())).equals(content)).toBe(true);
  });

  it('survives error answers that pass', async () => {
    let failures = 2;
    server.intercept = (_request, response) => {
      if (failures-- <= 0) return false;
      response.writeHead(503).end();
      return true;
    };
    await download();
    expect((await readFile(path())).equals(content)).toBe(true);
  });

  it('replaces a file of another content under the name', async () => {
    await download();
    await writeFile(path(), Buffer.alloc(content.length));
    await download();
    expect((await readFile(path())).equals(content)).toBe(true);
  });
});

describe('a download is refused', () => {
  const refusal = async (code: string, extra?: Partial<DownloadRequest>): Promise<void> => {
    await expect(download(extra)).rejects.toMatchObject({ code });
    await expect(readFile(path())).rejects.toMatchObject({ code: 'ENOENT' });
  };

  it('when one byte is changed on the server', async () => {
    const changed = Buffer.from(content);
    changed[123_456] = (changed[123_456] ?? 0) ^ 1;
    await writeFile(join(folder, 'model.onnx'), changed);
    await refusal('RELEASE.CORRUPT');
  });

  it('when the file is truncated on the server', async () => {
    await writeFile(join(folder, 'model.onnx'), content.subarray(0, -1));
    await refusal('RELEASE.CORRUPT');
  });

  it('when the file is longer than signed', async () => {
    await writeFile(join(folder, 'model.onnx'), Buffer.concat([content, Buffer.alloc(1)]));
    await refusal('RELEASE.CORRUPT');
  });

  it('when the body never ends, without taking more than the signed length', async () => {
    let sent = 0;
    server.intercept = (_request, response) => {
      response.writeHead(200);
      const pump = (): void => {
        while (!response.destroyed && response.write(content)) sent += content.length;
      };
      response.on('drain', pump);
      pump();
      return true;
    };
    await refusal('RELEASE.CORRUPT');
    expect(sent).toBeLessThan(100 * content.length);
  });

  it('when the server is away or has no such file, as an error that may pass', async () => {
    await refusal('RELEASE.UNREACHABLE', { url: `${server.url}/missing` });
    await expect(download({ url: 'http://127.0.0.1:9/x' })).rejects.toMatchObject({ retryable: true });
  });

  it('when the server accepts and then says nothing', async () => {
    server.intercept = () => true;
    await refusal('RELEASE.UNREACHABLE');
  });

  it('when the transfer stalls midway, and what has come is kept', async () => {
    server.intercept = ({ headers }, response) => {
      response.writeHead(200, { 'content-length': content.length });
      if (headers.range === undefined) response.write(content.subarray(0, 1000));
      return true;
    };
    await refusal('RELEASE.UNREACHABLE');
  });

  it('at once when the caller gives up', async () => {
    server.intercept = () => true;
    const controller = new AbortController();
    const stopped = download({ signal: controller.signal }, { stallMs: 60_000 });
    setTimeout(() => controller.abort(new Error('given up')), 20);
    await expect(stopped).rejects.toThrow('given up');
  });
});
