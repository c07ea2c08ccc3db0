import { once } from 'node:events';
import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';

import multipartParser from '@fastify/multipart';
import { systemClock, type Clock, type TenantId } from '@sightline/kernel';
import { problemOf, type RequestCaller, sendProblem } from '@sightline/rest-server';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { multipart } from '../testing/photos.js';
import { PhotoIntake } from './photo-intake.js';
import { takePhotoBodies } from './photo-upload.js';
import type { Turn } from './turnstile.js';

const ROOM = 3_000_000;
const tenantId = 'default' as TenantId;
const callerOf = (key = 'a'): RequestCaller => ({ tenantId, actor: `key:${key}`, roles: ['operator'] });

let server: FastifyInstance;
let origin: string;
/** Lets the time pass after which a sender that sent nothing has stalled. */
let pass: () => void;
/** What is being worked for, in the order of its arrival, and the ends of that. */
let turns: Turn[];
let finish: (() => void)[];

beforeEach(async () => {
  [turns, finish] = [[], []];
  const clock: Clock = {
    ...systemClock,
    sleep: (_, signal) =>
      new Promise((resolve, reject) => {
        pass = resolve;
        signal?.addEventListener('abort', () => reject(new Error('ended')));
      }),
  };
  const intake = new PhotoIntake({ clock, heldBytes: ROOM });
  server = Fastify();
  await server.register(multipartParser, { throwFileSizeLimit: false });
  takePhotoBodies(server);
  server.setErrorHandler((error, _request, reply) => sendProblem(reply, problemOf(error)));
  server.post<{ Querystring: { key?: string } }>('/now', (request) =>
    intake.take(request, callerOf(request.query.key), async (photo) => photo.length),
  );
  server.post<{ Querystring: { key?: string } }>('/held', (request) =>
    intake.take(request, callerOf(request.query.key), (photo, turn) => {
      turns.push(turn);
      return new Promise((resolve) => finish.push(() => resolve(photo.length)));
    }),
  );
  origin = await server.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(() => server.close());

const photoOf = (bytes: number): Buffer => Buffer.alloc(bytes, 1);

async function post(path: string, body: Buffer, type = 'image/jpeg') {
  const init = { method: 'POST', headers: { 'content-type': type }, body: new Uint8Array(body) };
  const response = await fetch(new URL(path, origin), init);
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** A request whose body is sent by hand. */
function begin(path: string, length: number, agent?: Agent): ClientRequest {
  const headers = { 'content-type': 'image/jpeg', 'content-length': length };
  const request = httpRequest(new URL(path, origin), { method: 'POST', headers, ...(agent && { agent }) });
  request.on('error', () => undefined);
  request.flushHeaders();
  return request;
}

async function answerOf(request: ClientRequest) {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { response, text: Buffer.concat(await response.toArray()).toString() };
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 50));

describe('a sender', () => {
  it('that stalls is cut off, and told why', async () => {
    const request = begin('/now', 1000);
    const answer = answerOf(request);
    request.write(photoOf(10));
    await moment();
    pass();
    const { response, text } = await answer;
    expect([response.statusCode, response.headers.connection]).toEqual([408, 'close']);
    expect(JSON.parse(text)).toMatchObject({ code: 'REQUEST.TIMEOUT', retryable: true });
  });

  it('that is slow and goes on is waited for', async () => {
    const request = begin('/now', 30);
    const answer = answerOf(request);
    await moment();
    for (let part = 0; part < 3; part += 1) {
      request.write(photoOf(10));
      await moment();
      pass();
    }
    request.end();
    expect((await answer).text).toBe('30');
  });

  it('that goes away half-way leaves no room behind it taken', async () => {
    const request = begin('/now', 1_500_000);
    request.write(photoOf(1_400_000));
    await moment();
    expect((await post('/now', photoOf(1_000_000))).status).toBe(429);
    request.destroy();
    await moment();
    expect((await post('/now', photoOf(1_000_000))).body).toBe(1_000_000);
  });

  it('that goes away while its photo is worked on is not worked for any longer', async () => {
    const request = begin('/held', 10);
    request.end(photoOf(10));
    await moment();
    expect(turns[0]?.signal?.aborted).toBe(false);
    request.destroy();
    await moment();
    expect(turns[0]?.signal?.reason).toMatchObject({ code: 'REQUEST.ABORTED' });
    finish[0]?.();
  });

  it('whose connection serves the next request is not taken for one that went away', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const [index, path] of ['/held', '/held'].entries()) {
      const request = begin(path, 10, agent);
      const answer = answerOf(request);
      request.end(photoOf(10));
      await moment();
      finish[index]?.();
      expect((await answer).text).toBe('10');
    }
    expect(turns.map(({ signal }) => signal?.aborted)).toEqual([false, false]);
    agent.destroy();
  });
});

describe('the memory for photos', () => {
  it('is shared: a client that holds much is told to wait, and another still finds room', async () => {
    const held = post('/held', photoOf(1_400_000));
    await expect.poll(() => finish.length).toBe(1);
    const refused = await post('/now', photoOf(500_000));
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(refused.body).toMatchObject({ code: 'REQUEST.RATE_LIMITED', retryable: true, retryAfterSeconds: 1 });
    expect((await post('/now?key=b', photoOf(500_000))).body).toBe(500_000);
    finish[0]?.();
    expect((await held).body).toBe(1_400_000);
    expect((await post('/now', photoOf(500_000))).body).toBe(500_000);
  });

  it('counts the photo of a form as well', async () => {
    const [form, type] = multipart([['photo', photoOf(1_600_000)]]);
    expect((await post('/now', form, type)).status).toBe(429);
    const [small, smallType] = multipart([['photo', photoOf(1_000_000)]]);
    expect((await post('/now', small, smallType)).body).toBe(1_000_000);
  });
});

describe('a form that is refused', () => {
  it.each([
    ['at its first part', () => multipart([['picture', photoOf(1_000_000)]]), 400],
    [
      'after the photo',
      () =>
        multipart([
          ['photo', photoOf(10)],
          ['photo', photoOf(1_000_000)],
        ]),
      400,
    ],
    ['for its many parts', () => multipart(Array.from({ length: 40 }, () => ['x', photoOf(50_000)] as const)), 400],
    ['by its length alone', () => multipart([['photo', photoOf(21 * 1024 * 1024)]]), 413],
  ])('%s leaves its connection usable', async (_, make, status) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const send = async ([form, type]: readonly [Buffer, string]) => {
      const headers = { 'content-type': type, 'content-length': form.length };
      const request = httpRequest(new URL('/now', origin), { method: 'POST', headers, agent });
      request.end(form);
      return (await answerOf(request)).response.statusCode;
    };
    expect(await send(make())).toBe(status);
    expect(await send(multipart([['photo', photoOf(10)]]))).toBe(200);
    agent.destroy();
  });
});
