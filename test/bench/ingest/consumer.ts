import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { connectMqtt, type MqttConnection } from '@sightline/messaging';
import type { Mosquitto } from '@sightline/testing';

import { median, significant } from '../statistics.js';
import type { ConsumerKind, ConsumerOptions } from './consumer-child.js';

const CHILD = fileURLToPath(new URL('./consumer-child.js', import.meta.url));
const KINDS: readonly ConsumerKind[] = ['deferred', 'deferred-in-nest', 'mqtt-js', 'nest'];
const ROUNDS = 3;
const WARM_UP = 4000;
const MESSAGES = 16_000;
const PAYLOAD_BYTES = 700;
const IN_FLIGHT = 400;

export interface ConsumerFigures {
  /** CPU time of one message, µs: the median of the rounds. */
  readonly cpuMicroseconds: Readonly<Record<ConsumerKind, number>>;
  readonly overMqttJs: number;
  readonly overNest: number;
}

/**
 * CPU time of one received message of 700 bytes at QoS 1: our consumer, which acknowledges when the handler has
 * finished, against mqtt.js with its `message` event; and, as a Nest transport, against Nest's own. In turns, each time
 * in a new process.
 */
export async function measureConsumers(
  mosquitto: Mosquitto,
  as: { readonly device: string; readonly service: string; readonly password: string },
): Promise<ConsumerFigures> {
  const { url } = mosquitto;
  const publisher = await connectMqtt({
    ...{ url, username: as.device, password: as.password, clientId: as.device, maximumInFlight: IN_FLIGHT },
  });
  const samples = new Map<ConsumerKind, number[]>(KINDS.map((kind) => [kind, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of KINDS) {
      const options = { kind, url, username: as.service, password: as.password };
      samples.get(kind)?.push(await measureOne(publisher, as.device, options));
    }
  }
  await publisher.close();
  const cpu = Object.fromEntries(KINDS.map((kind) => [kind, significant(median(samples.get(kind) ?? []))])) as Readonly<
    Record<ConsumerKind, number>
  >;
  return {
    cpuMicroseconds: cpu,
    overMqttJs: significant(cpu.deferred / cpu['mqtt-js']),
    overNest: significant(cpu['deferred-in-nest'] / cpu.nest),
  };
}

/** @returns µs of CPU time for each message */
async function measureOne(publisher: MqttConnection, device: string, options: ConsumerOptions): Promise<number> {
  const child = fork(CHILD, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  child.send(options);
  await told(child, 'ready');
  let cpuMs = 0;
  for (const expected of [WARM_UP, MESSAGES]) {
    child.send({ expected });
    await told(child, 'counting');
    const received = told(child, 'received');
    await publishAll(publisher, `sightline/v1/${device}/sighting`, expected);
    ({ cpuMs = 0 } = await received);
  }
  child.kill('SIGKILL');
  await once(child, 'exit');
  return (1000 * cpuMs) / MESSAGES;
}

async function publishAll(publisher: MqttConnection, topic: string, count: number): Promise<void> {
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(0xa5);
  let left = count;
  const publish = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await publisher.publish(topic, payload);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, publish));
}

async function told(child: ChildProcess, kind: string): Promise<{ readonly cpuMs?: number }> {
  for (;;) {
    const [message] = (await once(child, 'message')) as [{ readonly kind: string; readonly cpuMs?: number }];
    if (message.kind === kind) return message;
  }
}
