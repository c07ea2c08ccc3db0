import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';

import { Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder } from '@nestjs/swagger';
import { silentLogger } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createRestApp, HealthController, READINESS } from './index.js';

@Module({
  controllers: [HealthController],
  providers: [{ provide: READINESS, useValue: async () => ({}) }],
})
class EmptyModule {}

let app: NestFastifyApplication;
beforeAll(async () => {
  const api = new DocumentBuilder().setTitle('Empty').setVersion('1').build();
  app = await createRestApp({ module: { module: EmptyModule }, api, log: silentLogger });
  await app.listen(0, '127.0.0.1');
});
afterAll(() => app.close());

describe('every answer', () => {
  it.each(['/health/live', '/health/nothing', '/health/%zz', '/openapi.json', '/docs'])(
    'has security headers: %s',
    async (url) => {
      const { headers } = await app.inject({ url });
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
      expect(headers['content-security-policy']).toMatch(/^default-src 'none';.*frame-ancestors 'none'$/);
    },
  );

  it('that is the page of the interface has no script or handler within its text, which its policy would refuse', async () => {
    const { body, headers } = await app.inject({ url: '/docs' });
    expect(headers['content-security-policy']).toContain("script-src 'self'");
    expect(body).toMatch(/<script src="/);
    expect(body).not.toMatch(/<script(?![^>]*\ssrc=)[^>]*>|\son\w+=/);
  });
});

describe('a hostile request', () => {
  it('with an address that is no address gets a problem document', async () => {
    const response = await app.inject({ url: '/health/%zz' });
    expect(response.headers['content-type']).toMatch('application/problem+json');
    expect(response.json()).toMatchObject({ status: 400, code: 'REQUEST.INVALID' });
  });

  it.each([
    ['is none', 'no HTTP at all\r\n\r\n', 400, 'REQUEST.INVALID'],
    ['has an endless header', `GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}`, 413, 'REQUEST.TOO_LARGE'],
  ])('that %s gets a problem document, and its connection is closed', async (_, text, status, code) => {
    const { port } = app.getHttpServer().address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    socket.write(text);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
    await once(socket, 'close');
    const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n');
    expect(head).toMatch(`HTTP/1.1 ${status} `);
    expect(head).toMatch('content-type: application/problem+json');
    expect(head).toMatch('x-content-type-options: nosniff');
    expect(JSON.parse(body)).toMatchObject({ status, code });
  });

  it('has a bounded time to arrive in', () => {
    expect(app.getHttpServer()).toMatchObject({ requestTimeout: 120_000 });
  });
});
