import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';

import { Body, Controller, Get, Module, Post, Res, Sse, type MessageEvent } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiCreatedResponse, DocumentBuilder } from '@nestjs/swagger';
import { silentLogger, type Logger } from '@sightline/kernel';
import type { FastifyReply, InjectOptions } from 'fastify';
import { NEVER, of, concat, type Observable } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { createRestApp, HealthController, READINESS } from './index.js';

const itemSchema = z.object({ size: z.number().max(9), tags: z.array(z.string()) }).meta({ id: 'Item' });

/** Ends the request of the route /slow. */
let finish: () => void = () => undefined;
const parts = { database: true, broker: true };

@Controller()
class ShopController {
  @Post('items')
  @ApiCreatedResponse({ standardSchema: itemSchema })
  add(@Body({ schema: itemSchema }) item: z.infer<typeof itemSchema>): z.infer<typeof itemSchema> {
    return item;
  }

  @Get('broken')
  broken(): never {
    throw new Error('password is hunter2');
  }

  @Get('slow')
  slow(): Promise<string> {
    return new Promise((resolve) => (finish = () => resolve('done')));
  }

  @Get('half')
  half(@Res() reply: FastifyReply): never {
    reply.raw.writeHead(200).write('half');
    throw new Error('too late for a problem');
  }

  @Sse('endless')
  endless(): Observable<MessageEvent> {
    return concat(of({ data: 'first' }), NEVER);
  }
}

@Module({
  controllers: [ShopController, HealthController],
  providers: [{ provide: READINESS, useValue: async () => parts }],
})
class ShopModule {}

const logged: object[] = [];
const log: Logger = { ...silentLogger, error: (fields) => void logged.push(fields) };
const api = new DocumentBuilder().setTitle('Shop').setVersion('1').build();
const createShop = () => createRestApp({ module: { module: ShopModule }, api, log });

let app: NestFastifyApplication;
beforeAll(async () => {
  app = await createShop();
  await app.init();
});
afterAll(() => app.close());

type RefusedCase = [string, InjectOptions, number, string];

describe('a request that cannot be served', () => {
  const post = (payload: object) => app.inject({ method: 'POST', url: '/items', payload });

  it('is told every field that does not fit', async () => {
    const response = await post({ size: 10, tags: ['a', 7] });
    expect(response.headers['content-type']).toMatch('application/problem+json');
    const problem = response.json<{ code: string; errors: { path: string }[] }>();
    expect(problem.code).toBe('REQUEST.INVALID');
    expect(problem.errors.map(({ path }) => path)).toEqual(['size', 'tags.1']);
  });

  it.each<RefusedCase>([
    ['of an unknown route', { url: '/nothing' }, 404, 'REQUEST.NOT_FOUND'],
    [
      'with text',
      { method: 'POST', url: '/items', payload: 'x', headers: { 'content-type': 'text/plain' } },
      415,
      'REQUEST.UNSUPPORTED_MEDIA_TYPE',
    ],
    ...['x', 'application/', '/', 'a b'].map((type): RefusedCase => [
      `with the media type "${type}", which is none`,
      { method: 'POST', url: '/items', payload: 'x', headers: { 'content-type': type } },
      415,
      'REQUEST.UNSUPPORTED_MEDIA_TYPE',
    ]),
    [
      'with broken JSON',
      { method: 'POST', url: '/items', payload: '{', headers: { 'content-type': 'application/json' } },
      400,
      'REQUEST.INVALID',
    ],
    [
      'with a body that is too large',
      { method: 'POST', url: '/items', payload: { tags: ['x'.repeat(2_000_000)] } },
      413,
      'REQUEST.TOO_LARGE',
    ],
  ])('gets a problem document: one %s', async (_, request, status, code) => {
    const response = await app.inject(request);
    expect(response.statusCode).toBe(status);
    expect(response.json()).toMatchObject({ type: `urn:sightline:error:${code}`, status, code });
    expect(logged).toEqual([]);
  });

  it('learns nothing of an internal error, which is logged with its route', async () => {
    const response = await app.inject('/broken');
    expect(response.json()).toMatchObject({ status: 500, code: 'SERVICE.INTERNAL' });
    expect(response.body).not.toContain('hunter2');
    expect(logged.splice(0)).toMatchObject([{ code: 'SERVICE.INTERNAL', method: 'GET', route: '/broken' }]);
  });

  it('is cut off when its answer has begun already', async () => {
    expect((await app.inject('/half')).body).toBe('half');
    logged.length = 0;
  });
});

describe('health', () => {
  it('is alive, and ready once every part is', async () => {
    expect((await app.inject('/health/live')).json()).toEqual({ status: 'ok' });
    expect((await app.inject('/health/ready')).json()).toEqual({ status: 'ok' });
    parts.broker = false;
    const response = await app.inject('/health/ready');
    expect(response.json()).toMatchObject({ status: 503, detail: 'Not ready: broker.', retryable: true });
    expect(response.headers['retry-after']).toBe('5');
    expect((await app.inject('/health/live')).statusCode).toBe(200);
    expect(logged).toEqual([]);
  });
});

describe('the OpenAPI document', () => {
  it('names its schemas, and says of every route how its errors look', async () => {
    const document = (await app.inject('/openapi.json')).json<{
      paths: Record<string, Record<string, { responses: Record<string, { content: object }> }>>;
      components: { schemas: Record<string, object> };
    }>();
    expect(Object.keys(document.components.schemas).sort()).toEqual(['Health', 'Item', 'Problem']);
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    expect(operations.length).toBe(7);
    for (const { responses } of operations) {
      expect(responses.default).toMatchObject({
        headers: { 'Retry-After': { schema: { type: 'integer' } } },
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      });
    }
    expect(document.components.schemas.Problem).toMatchObject({ properties: { code: { type: 'string' } } });
    expect((await app.inject('/docs')).statusCode).toBe(200);
  });
});

describe('the end', () => {
  const started = async () => {
    const shop = await createShop();
    await shop.listen(0, '127.0.0.1');
    const { port } = shop.getHttpServer().address() as AddressInfo;
    const agent = new Agent({ keepAlive: true });
    const get = (path: string): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        httpRequest({ host: '127.0.0.1', port, path, agent }, resolve).on('error', reject).end();
      });
    return { shop, get };
  };
  const textOf = async (response: Readable) => Buffer.concat(await response.toArray()).toString();

  it('comes at once with a connection that is kept, and after the request under way is answered', async () => {
    const { shop, get } = await started();
    await textOf(await get('/health/live'));
    const slow = get('/slow');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const from = performance.now();
    const closed = shop.close();
    setTimeout(finish, 100);
    expect(await textOf(await slow)).toBe('done');
    await closed;
    expect(performance.now() - from).toBeLessThan(2_000);
  });

  it('tells a request that comes on an open connection to try again', async () => {
    const { shop } = await started();
    const { port } = shop.getHttpServer().address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    const requestOf = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    socket.write(requestOf('/slow'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closed = shop.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.write(requestOf('/health/live'));
    setTimeout(finish, 100);
    const [first, second] = (await textOf(socket)).split(/(?=HTTP\/1\.1)/);
    expect(first).toMatch(/^HTTP\/1\.1 200.*done/s);
    expect(second).toMatch(/^HTTP\/1\.1 503.*retry-after: 5.*SERVICE\.UNAVAILABLE/s);
    await closed;
  });

  it('comes although a stream never ends', async () => {
    const { shop, get } = await started();
    const stream = await get('/endless');
    const cut = textOf(stream).catch(() => 'cut');
    await shop.close();
    expect(await cut).toBe('cut');
  });
});
