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
  await app.init();
});
afterAll(() => app.close());

describe('a hostile request', () => {
  it('with an address that is no address gets a problem document', async () => {
    const response = await app.inject({ url: '/health/%zz' });
    expect(response.headers['content-type']).toMatch('application/problem+json');
    expect(response.json()).toMatchObject({ status: 400, code: 'REQUEST.INVALID' });
  });

  it('has a bounded time to arrive in', () => {
    expect(app.getHttpServer()).toMatchObject({ requestTimeout: 120_000 });
  });
});
