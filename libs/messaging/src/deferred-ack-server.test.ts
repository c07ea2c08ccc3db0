import { Controller, Module, UseFilters, UsePipes, type INestMicroservice, type PipeTransform } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, type BaseRpcContext } from '@nestjs/microservices';
import { Observable, timer } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { EmbeddedBroker } from './broker/embedded-broker.js';
import { DeferredAckServer, FailuresAsTheyAre } from './deferred-ack-server.js';
import type { MqttConnection, MqttMessage } from './mqtt-connection.js';
import { connectTestClient, recordingLogger, startTestBroker, untilConnected } from './test-support.js';

const received: { topic: string; payload: Uint8Array }[] = [];
let failuresLeft = 0;
let finish: (() => void) | undefined;

class Untouched implements PipeTransform<MqttMessage, MqttMessage> {
  transform(message: MqttMessage): MqttMessage {
    return message;
  }
}

@Controller()
@UseFilters(FailuresAsTheyAre)
class IngestController {
  @MessagePattern('sightline/v1/+/+/sighting')
  @UsePipes(new Untouched())
  async onSighting(@Payload() message: MqttMessage, @Ctx() context: BaseRpcContext<[string]>): Promise<void> {
    received.push({ topic: context.getArgByIndex(0) as string, payload: message.payload });
    if (failuresLeft > 0) {
      failuresLeft -= 1;
      throw new Error('the database is away');
    }
    if (message.payload[0] === 99) await new Promise<void>((resolve) => (finish = resolve));
  }

  @EventPattern('sightline/v1/+/+/birth')
  onBirth(@Payload() message: MqttMessage): Observable<number> {
    received.push({ topic: message.topic, payload: message.payload });
    return timer(10);
  }
}

@Module({ controllers: [IngestController] })
class TestModule {}

let broker: EmbeddedBroker;
let device: MqttConnection;

type NestOptions = Parameters<typeof NestFactory.createMicroservice>[1];

function withStrategy(strategy: DeferredAckServer): NestOptions {
  const options: unknown = { strategy, logger: false }; // Nest types its options as a class, and takes an object
  return options as NestOptions;
}

async function startService(): Promise<INestMicroservice> {
  const connection = await connectTestClient(broker.url, 'cloud-api');
  const app = await NestFactory.createMicroservice(TestModule, withStrategy(new DeferredAckServer(connection)));
  await app.listen();
  return app;
}

beforeEach(async () => {
  received.length = 0;
  failuresLeft = 0;
  finish = undefined;
  broker = await startTestBroker(recordingLogger());
  device = await connectTestClient(broker.url, 'acme/cam-1');
  await untilConnected(device);
});

afterEach(async () => {
  await device.close();
  await broker.close();
});

describe('DeferredAckServer', () => {
  it('gives handlers the bytes as they were sent, and the topic', async () => {
    const app = await startService();
    const payload = Uint8Array.of(0, 0xff, 0xc3, 0x28, 0x80);
    await device.publish('sightline/v1/acme/cam-1/sighting', payload);
    await device.publish('sightline/v1/acme/cam-1/birth', payload);
    await vi.waitFor(() => expect(received).toHaveLength(2));
    expect(received).toEqual([
      { topic: 'sightline/v1/acme/cam-1/sighting', payload },
      { topic: 'sightline/v1/acme/cam-1/birth', payload },
    ]);
    await app.close();
  });

  it('acknowledges only when the handler has finished: a message is delivered to the next start', async () => {
    const app = await startService();
    await device.publish('sightline/v1/acme/cam-1/sighting', Uint8Array.of(99));
    await vi.waitFor(() => expect(finish).toBeDefined());
    await app.close(); // gives up on the handler after its bound

    const next = await startService();
    await vi.waitFor(() => expect(received).toHaveLength(2));
    finish!();
    await next.close();
    const last = await startService();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(received).toHaveLength(2);
    await last.close();
  });

  it('leaves a message with the broker when the handler fails, and gets it again', async () => {
    failuresLeft = 1;
    const app = await startService();
    await device.publish('sightline/v1/acme/cam-1/sighting', Uint8Array.of(1));
    await vi.waitFor(() => expect(received).toHaveLength(2));
    await app.close();
  });

  it('does not start when the broker refuses a filter', async () => {
    const holder = await startService();
    const connection = await connectTestClient(broker.url, 'cloud-api', { clientId: 'cloud-api:2' });
    const server = new DeferredAckServer(connection);
    server.addHandler('sightline/v1/+/+/sighting', () => Promise.resolve());
    const error = await new Promise((resolve) => server.listen(resolve));
    expect(error).toMatchObject({ code: 'MQTT.SUBSCRIPTION_REFUSED' });
    await server.close();
    await holder.close();
  });
});
