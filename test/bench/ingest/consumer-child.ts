import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload, Transport } from '@nestjs/microservices';
import { connectMqtt, DeferredAckServer } from '@sightline/messaging';
import { connect } from 'mqtt';

import { processCpuMs } from '../statistics.js';

// A consumer in a process of its own, which does nothing with what it receives but count: its CPU time is what
// receiving costs. Told by its parent which one it is, and from when to count.

const FILTER = 'sightline/v1/+/+/sighting';

/** How the messages are received. */
export type ConsumerKind = 'deferred' | 'deferred-in-nest' | 'mqtt-js' | 'nest';

export interface ConsumerOptions {
  readonly kind: ConsumerKind;
  readonly url: string;
  readonly username: string;
  readonly password: string;
}

let received = 0;
let expected = Infinity;
let cpuAtStartMs = 0;

function count(): void {
  received += 1;
  if (received === expected) process.send?.({ kind: 'received', cpuMs: processCpuMs() - cpuAtStartMs });
}

@Controller()
class DeferredController {
  @MessagePattern(FILTER)
  async take(@Payload() message: unknown): Promise<void> {
    if (message !== undefined) count();
  }
}
@Module({ controllers: [DeferredController] })
class DeferredModule {}

@Controller()
class NestController {
  @EventPattern(FILTER)
  take(@Payload() message: unknown): void {
    if (message !== undefined) count();
  }
}
@Module({ controllers: [NestController] })
class NestModule {}

const starts: Readonly<Record<ConsumerKind, (options: ConsumerOptions) => Promise<void>>> = {
  deferred: async ({ url, username, password }) => {
    const connection = await connectMqtt({ url, username, password, clientId: username });
    await connection.subscribe(FILTER, async () => count());
  },
  'deferred-in-nest': async ({ url, username, password }) => {
    const connection = await connectMqtt({ url, username, password, clientId: username });
    const strategy: unknown = { strategy: new DeferredAckServer(connection), logger: false };
    const app = await NestFactory.createMicroservice(DeferredModule, strategy as object);
    await app.listen();
  },
  'mqtt-js': async ({ url, username, password }) => {
    const client = connect(url, { username, password, clientId: username, clean: false });
    client.on('message', count);
    await client.subscribeAsync(FILTER, { qos: 1 });
  },
  nest: async ({ url, username, password }) => {
    const options = {
      url,
      username,
      password,
      clientId: username,
      clean: false,
      subscribeOptions: { qos: 1 as const },
    };
    const transport: unknown = { transport: Transport.MQTT, options, logger: false };
    const app = await NestFactory.createMicroservice(NestModule, transport as object);
    await app.listen();
  },
};

process.once('message', (message) => {
  const options = message as ConsumerOptions;
  process.on('message', (next) => {
    ({ expected } = next as { expected: number });
    received = 0;
    cpuAtStartMs = processCpuMs();
    process.send?.({ kind: 'counting' });
  });
  void starts[options.kind](options).then(() => process.send?.({ kind: 'ready' }));
});
process.once('disconnect', () => process.exit());
