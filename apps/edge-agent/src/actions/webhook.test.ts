import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net';

import { isAppError, systemClock } from '@sightline/kernel';
import { afterEach, describe, expect, it } from 'vitest';

import { decision, origin } from '../testing/action-stage.js';
import { actionEvent } from './action-event.js';
import type { Attempt } from './performer.js';
import { Webhook, type WebhookOptions } from './webhook.js';

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const servers: (Server | TcpServer)[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  }
});

async function listen(server: Server | TcpServer): Promise<URL> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/door?token=t0ken`);
}

async function receiver(
  answer: (response: ServerResponse, received: Received) => void = (response) => response.end('ok'),
): Promise<{ readonly url: URL; readonly received: Received[] }> {
  const received: Received[] = [];
  const url = await listen(
    createHttpServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      request.on('end', () => {
        const { method, headers } = request;
        received.push({ method, url: request.url, headers, body });
        answer(response, received.at(-1)!);
      });
    }),
  );
  return { url, received };
}

const webhook = (url: URL, options: Partial<WebhookOptions> = {}): Webhook =>
  new Webhook({
    ...{ url, method: 'POST', headers: {}, signingSecret: undefined, timeoutMs: 2000, clock: systemClock },
    ...{ certificateAuthority: undefined, allowPublicPlainText: false },
    ...options,
  });

const event = actionEvent('door', origin, decision(), { wallMs: 1_800_000_000_080, isTrusted: true, ageMs: 80 });
const attempt = (fields: Partial<Attempt> = {}): Attempt => ({
  event: () => event,
  startWithinMs: 1000,
  signal: new AbortController().signal,
  ...fields,
});

/** Code, whether it may be tried again, and all that it says. */
async function failure(perform: Promise<void>): Promise<{ code: string; retryable: boolean; text: string }> {
  try {
    await perform;
  } catch (error) {
    if (!isAppError(error)) throw error;
    const { code, retryable, message, details, cause } = error;
    return { code, retryable, text: JSON.stringify({ message, details, cause }) };
  }
  throw new Error('it succeeded');
}

describe('a webhook', () => {
  it('gets the event, its own headers, and a signature over the time and the body', async () => {
    const { url, received } = await receiver();
    const headers = { authorization: 'Bearer abc' };
    const clock = { ...systemClock, wallMs: () => 1_800_000_000_123 };
    await webhook(url, { method: 'PUT', headers, signingSecret: 'whisper', clock }).perform(attempt());
    const [got] = received;
    expect(got).toMatchObject({ method: 'PUT', url: '/hooks/door?token=t0ken', body: JSON.stringify(event) });
    expect(got?.headers).toMatchObject({ authorization: 'Bearer abc', 'content-type': 'application/json' });
    const mac = createHmac('sha256', 'whisper')
      .update(`1800000000.${got?.body ?? ''}`)
      .digest('hex');
    expect(got?.headers['sightline-signature']).toBe(`t=1800000000,v1=${mac}`);
    expect(got?.headers['idempotency-key']).toBe(event.eventId);
  });

  it('is not signed without a secret', async () => {
    const { url, received } = await receiver((response) => response.writeHead(204).end());
    await webhook(url).perform(attempt());
    expect(received[0]?.headers).not.toHaveProperty('sightline-signature');
  });

  it('that is not there has certainly received nothing', async () => {
    const server = createTcpServer();
    const url = await listen(server);
    server.close();
    expect(await failure(webhook(url).perform(attempt()))).toMatchObject({
      code: 'ACTION.UNREACHABLE',
      retryable: true,
    });
    const nowhere = new URL('http://receiver.invalid/');
    expect(await failure(webhook(nowhere).perform(attempt()))).toMatchObject({ code: 'ACTION.UNREACHABLE' });
  });

  it('that hangs up, or answers too late, may have received it: nobody tries again', async () => {
    const hangsUp = await receiver((response) => response.socket?.destroy());
    expect(await failure(webhook(hangsUp.url).perform(attempt()))).toMatchObject({
      ...{ code: 'ACTION.INTERRUPTED_TRANSFER', retryable: false },
    });
    const silent = await receiver(() => undefined);
    const perform = webhook(silent.url, { timeoutMs: 100 }).perform(attempt({ startWithinMs: 50 }));
    expect(await failure(perform)).toMatchObject({ code: 'ACTION.TIMED_OUT', retryable: false });
    expect(silent.received).toHaveLength(1);
  });

  it('that refuses, or sends elsewhere, is not followed', async () => {
    for (const status of [302, 404, 500]) {
      const { url, received } = await receiver((response) => response.writeHead(status, { location: '/other' }).end());
      const failed = await failure(webhook(url).perform(attempt()));
      expect(failed).toMatchObject({ code: 'ACTION.REFUSED', retryable: false });
      expect(failed.text).toContain(String(status));
      expect(received).toHaveLength(1);
    }
  });

  it('whose answer never ends has answered all the same', async () => {
    const drips = await receiver((response) => response.writeHead(200).write('…'));
    await webhook(drips.url, { timeoutMs: 100 }).perform(attempt());
    const floods = await receiver((response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more);
      more();
    });
    await webhook(floods.url).perform(attempt());
  });

  it('is told nothing when the connection is there only after it would be late', async () => {
    // It accepts, and never answers the handshake.
    const heard: Buffer[] = [];
    const url = await listen(createTcpServer((socket) => socket.on('data', (bytes) => heard.push(bytes))));
    const late = webhook(new URL(url.href.replace('http:', 'https:'))).perform(attempt({ startWithinMs: 50 }));
    expect(await failure(late)).toMatchObject({ code: 'ACTION.LATE', retryable: true });
    expect(Buffer.concat(heard).includes('s1.door')).toBe(false);
  });

  it('over http lies in a private network', async () => {
    const event = (): never => {
      throw new Error('nothing is to be sent');
    };
    for (const url of ['http://203.0.113.1/', 'http://[2001:db8::1]/']) {
      expect(await failure(webhook(new URL(url)).perform(attempt({ event })))).toMatchObject({
        ...{ code: 'ACTION.PUBLIC_PLAIN_TEXT', retryable: false },
      });
    }
    const { url, received } = await receiver();
    await webhook(new URL(url.href.replace('127.0.0.1', 'localhost'))).perform(attempt());
    expect(received).toHaveLength(1);
  });

  it('is broken off when the agent ends', async () => {
    const { url } = await receiver(() => undefined);
    const stopping = new AbortController();
    const performing = failure(webhook(url).perform(attempt({ signal: stopping.signal })));
    setImmediate(() => stopping.abort());
    expect(await performing).toMatchObject({ code: 'ACTION.ABORTED' });
  });

  it('is named in no error', async () => {
    const { url } = await receiver((response) => response.socket?.destroy());
    const failures = [webhook(url), webhook(new URL('http://t0ken.invalid/t0ken'))];
    for (const each of failures) expect((await failure(each.perform(attempt()))).text).not.toMatch(/t0ken|127/);
  });
});
