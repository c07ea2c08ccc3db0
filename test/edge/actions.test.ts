import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  IdentificationOutcome,
  IdentificationSchema,
  RecordPayloadSchema,
  SCHEMA_VERSION,
  SightingAckSchema,
  SightingBatchSchema,
  topicOf,
  type Identification,
} from '@sightline/contracts';
import type { EdgeAgent, EdgeAgentConfigInput } from '@sightline/edge-agent';
import {
  StopStack,
  systemClock,
  type Clock,
  type DeviceId,
  type Logger,
  type PersonId,
  type TenantId,
} from '@sightline/kernel';
import { connectMqtt, type MqttConnection } from '@sightline/messaging';
import { startMosquitto, type Mosquitto } from '@sightline/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PassingSource } from '../bench/edge/passing-source.js';
import { CuttableProxy } from '../page/cuttable-proxy.js';
import { frameOf, startActingAgent, templateOf } from './acting-agent.js';
import { galleryDelta } from './local-people.js';

const address = { tenantId: 'acme' as TenantId, deviceId: 'door-1' as DeviceId };
const ada = '0190b5f0-0000-7000-8000-00000000000a' as PersonId;
const password = 'open sesame';
const HOUR_MS = 3_600_000;

/** Time that a test sets forward: then hours have passed. */
let leapMs: number;
/** What is wrong with the wall clock alone. */
let wallErrorMs: number;
const clock: Clock = {
  wallMs: () => Date.now() + leapMs + wallErrorMs,
  monotonicMs: () => performance.now() + leapMs,
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
};

interface Call {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let stack: StopStack;
let directory: string;
let log: string[];
let calls: Call[];
let hook: string;
let cloudBroker: Mosquitto;
let cloud: MqttConnection;
let cable: CuttableProxy;
/** What an identification of each record needs, in their order. */
let records: Pick<Identification, 'streamId' | 'sequence' | 'sightingId' | 'revision'>[];

beforeEach(async () => {
  stack = new StopStack();
  [leapMs, wallErrorMs, log, calls, records] = [0, 0, [], [], []];
  directory = mkdtempSync(join(tmpdir(), 'sightline-actions-'));
  stack.push(() => rmSync(directory, { recursive: true, force: true }));
  hook = await webhookServer();
  cloudBroker = await startMosquitto({ devices: ['acme/door-1'], services: ['cloud'], password });
  stack.push(() => cloudBroker.close());
  cable = new CuttableProxy(cloudBroker.url.replace('mqtt', 'http'));
  await cable.open();
  stack.push(() => cable.cut());
  cloud = await connectMqtt({ url: cloudBroker.url, clientId: 'cloud', username: 'cloud', password });
  stack.push(() => cloud.close());
  await cloud.subscribe(topicOf(address, 'sighting'), async ({ payload }) => {
    const { streamId, correlationId, records: sent } = fromBinary(SightingBatchSchema, payload);
    for (const { sequence, payload: bytes } of sent) {
      const { body } = fromBinary(RecordPayloadSchema, bytes);
      if (body.case === 'sighting') records.push({ streamId, sequence, ...body.value });
    }
    const ack = { schemaVersion: SCHEMA_VERSION, correlationId, streamId, window: 4 };
    const committedThrough = sent.at(-1)?.sequence ?? 0n;
    const acknowledgement = create(SightingAckSchema, { ...ack, committedThrough });
    await cloud.publish(topicOf(address, 'sighting/ack'), toBinary(SightingAckSchema, acknowledgement));
  });
});

afterEach(() => stack.stop());

async function webhookServer(): Promise<string> {
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      calls.push({ headers: request.headers, body });
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.push(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

type Rules = NonNullable<EdgeAgentConfigInput['actions']>;

async function start(
  actions: Rules,
  person = 1,
): Promise<{ readonly agent: EdgeAgent; readonly source: PassingSource }> {
  const take = (fields: object, message: string): void => void log.push(JSON.stringify({ ...fields, message }));
  const logger: Logger = { debug: take, info: take, warn: take, error: take, child: () => logger };
  const source = new PassingSource({ face: frameOf(person), nobody: frameOf(0), perPass: 4 }, clock);
  const mqtt = { url: cable.url.replace('http', 'mqtt'), username: 'acme/door-1', password };
  const agent = await startActingAgent({ directory, mqtt, actions, source, clock, log: logger });
  stack.push(() => agent.stop());
  await expect.poll(() => agent.status().connected).toBe(true);
  return { agent, source };
}

/** Has the box know Ada, of the group `staff`. */
async function introduceAda(agent: EdgeAgent): Promise<void> {
  const delta = galleryDelta([{ personId: ada, groups: ['staff'], template: templateOf(1) }], clock.wallMs());
  await expect
    .poll(
      async () => {
        await cloud.publish(topicOf(address, 'gallery'), delta);
        return agent.status().cache?.state;
      },
      { timeout: 10_000 },
    )
    .toBe('ready');
}

const outcomesOf = (agent: EdgeAgent, ruleId: string) =>
  agent.status().actions.rules.find((rule) => rule.ruleId === ruleId);

const answer = (record: (typeof records)[number] | undefined): Promise<void> => {
  const facts = { outcome: IdentificationOutcome.IDENTIFIED, personId: ada, score: 0.9, groups: ['staff'] };
  const { streamId = '', sequence = 0n, sightingId = '', revision = 0 } = record ?? {};
  const message = { schemaVersion: SCHEMA_VERSION, streamId, sequence, sightingId, revision, ...facts };
  const payload = toBinary(IdentificationSchema, create(IdentificationSchema, message));
  return cloud.publish(topicOf(address, 'identification'), payload);
};

describe('a box whose cable to the cloud is cut', () => {
  it('calls its webhook, its broker and its command, each once for a sighting', async () => {
    const local = await startMosquitto({ devices: ['acme/relay'], services: ['box'], password });
    stack.push(() => local.close());
    const relay = await connectMqtt({ url: local.url, clientId: 'relay', username: 'acme/relay', password });
    stack.push(() => relay.close());
    const heard: { readonly text: string; readonly retained: boolean }[] = [];
    await relay.subscribe('sightline/v1/acme/relay/command', async ({ payload, retained }) => {
      heard.push({ text: Buffer.from(payload).toString(), retained });
    });
    writeFileSync(join(directory, 'signing'), 'whisper\n', { mode: 0o600 });
    writeFileSync(join(directory, 'password'), `${password}\n`, { mode: 0o600 });
    writeFileSync(join(directory, 'open.sh'), `#!/bin/sh\necho "$1" >> ${directory}/opened\n`, { mode: 0o755 });
    const when: Rules[number]['when'] = { decision: 'identified', groups: ['staff'], source: 'local' };
    const { agent, source } = await start([
      { id: 'hook', when, do: { kind: 'webhook', url: hook, signingSecret: { file: join(directory, 'signing') } } },
      {
        ...{ id: 'relay', when },
        do: {
          ...{ kind: 'mqtt', url: local.url, username: 'box', password: { file: join(directory, 'password') } },
          ...{ topic: 'sightline/v1/{{tenantId}}/relay/command', payload: 'open for {{personId}}' },
        },
      },
      { id: 'door', when, do: { kind: 'command', program: join(directory, 'open.sh'), arguments: ['{{sightingId}}'] } },
      { id: 'banned', when: { ...when, groups: ['banned'] }, do: { kind: 'webhook', url: hook } },
    ]);
    await introduceAda(agent);
    await cable.cut();
    await expect.poll(() => agent.status().connected, { timeout: 10_000 }).toBe(false);

    await source.pass();
    await source.pass();
    await expect.poll(() => ['hook', 'relay', 'door'].map((id) => outcomesOf(agent, id)?.succeeded)).toEqual([2, 2, 2]);
    const events = calls.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    expect(events[0]).toMatchObject({ ruleId: 'hook', cameraId: 'door', decision: { personId: ada, source: 'local' } });
    const [, seconds = '', mac] = /^t=(\d+),v1=(.*)$/.exec(String(calls[0]?.headers['sightline-signature'])) ?? [];
    expect(
      createHmac('sha256', 'whisper')
        .update(`${seconds}.${calls[0]?.body ?? ''}`)
        .digest('hex'),
    ).toBe(mac);
    await expect.poll(() => heard).toEqual([1, 2].map(() => ({ text: `open for ${ada}`, retained: false })));
    const opened = readFileSync(join(directory, 'opened'), 'utf8').trim().split('\n');
    expect(opened.sort()).toEqual(events.map(({ sightingId }) => sightingId).sort());
    expect(new Set(opened).size).toBe(2);
    expect(outcomesOf(agent, 'banned')).toMatchObject({ started: 0 });
    expect(log.join('\n')).not.toMatch(/sesame|whisper/);
  });
});

describe('a lease that runs out while the box is offline', () => {
  it('ends what the box knows, whatever its clock says then, until the cloud lends it again', async () => {
    const when: Rules[number]['when'] = { decision: 'identified', source: 'local' };
    const { agent, source } = await start([{ id: 'hook', when, do: { kind: 'webhook', url: hook } }]);
    await introduceAda(agent);
    await cable.cut();
    await expect.poll(() => agent.status().connected, { timeout: 10_000 }).toBe(false);
    await source.pass();
    await expect.poll(() => calls.length).toBe(1);

    leapMs = 25 * HOUR_MS;
    await source.pass();
    expect(agent.status().cache).toMatchObject({ state: 'expired', people: 1 });
    // Set back by a day: the time that has passed counts all the same.
    wallErrorMs = -25 * HOUR_MS;
    await source.pass();
    expect(agent.status().cache?.state).toBe('expired');
    expect(calls).toHaveLength(1);

    wallErrorMs = 0;
    await cable.open();
    await expect.poll(() => agent.status().connected, { timeout: 10_000 }).toBe(true);
    await introduceAda(agent);
    await source.pass();
    await expect.poll(() => calls.length).toBe(2);
    // All four passes were recorded, known or not.
    await expect.poll(() => new Set(records.map(({ sightingId }) => sightingId)).size, { timeout: 10_000 }).toBe(4);
  });
});

describe('an answer of the cloud', () => {
  const rules = (): Rules => [
    { id: 'hook', when: { decision: 'identified', source: 'cloud' }, do: { kind: 'webhook', url: hook } },
  ];

  it('fires when it comes in time, and once', async () => {
    const { agent, source } = await start(rules());
    await Promise.all([
      source.pass(),
      expect
        .poll(() => records.length)
        .toBe(1)
        .then(() => answer(records[0])),
    ]);
    await expect.poll(() => calls.length).toBe(1);
    await answer(records[0]);
    await expect.poll(() => agent.status().identifications.ignored).toBe(1);
    expect(calls.map(({ body }) => JSON.parse(body) as unknown)).toMatchObject([
      { sightingId: records[0]?.sightingId, decision: { source: 'cloud', personId: ada } },
    ]);
  });

  it('that the broker kept for hours fires nothing when the cable is whole again', async () => {
    const { agent, source } = await start(rules());
    await source.pass();
    await expect.poll(() => records.length).toBeGreaterThan(0);
    await cable.cut();
    await expect.poll(() => agent.status().connected, { timeout: 10_000 }).toBe(false);
    const [record] = records;
    await answer(record);
    leapMs = 5 * HOUR_MS;
    await cable.open();
    await expect.poll(() => agent.status().identifications.ignored, { timeout: 15_000 }).toBe(1);
    expect(outcomesOf(agent, 'hook')).toMatchObject({ started: 0, late: 0 });

    // What is seen now is acted upon as before.
    records = [];
    await Promise.all([
      source.pass(),
      expect.poll(() => records.find(({ sightingId }) => sightingId !== record?.sightingId)).toBeDefined(),
    ]);
    await answer(records.find(({ sightingId }) => sightingId !== record?.sightingId));
    await expect.poll(() => calls.length).toBe(1);
  });

  it('about a sighting of an earlier run fires nothing', async () => {
    const { agent, source } = await start(rules());
    await source.pass();
    await expect.poll(() => records.length).toBeGreaterThan(0);
    await agent.stop();
    const [record] = records;
    const { agent: next } = await start(rules());
    await answer(record);
    await expect.poll(() => next.status().identifications.ignored).toBe(1);
    expect(calls).toEqual([]);
  });
});

describe('a receiver that is away', () => {
  it('is told nothing later: the next sighting is', async () => {
    writeFileSync(join(directory, 'open.sh'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    const away: Rules[number]['do'] = { kind: 'webhook', url: 'http://127.0.0.1:1/' };
    const { agent, source } = await start([
      { id: 'away', when: { decision: 'any', source: 'local' }, do: away, maximumDelayMs: 600 },
      { id: 'here', when: { decision: 'any', source: 'local' }, do: { kind: 'webhook', url: hook } },
    ]);
    await introduceAda(agent);
    await source.pass();
    await expect.poll(() => outcomesOf(agent, 'away')?.failed, { timeout: 5000 }).toBe(1);
    expect(outcomesOf(agent, 'away')).toMatchObject({ started: 1, problem: 'ACTION.UNREACHABLE' });
    expect(calls).toHaveLength(1);
    expect(log.filter((line) => line.includes('an action failed'))).toHaveLength(1);
    expect(log.join('\n')).not.toContain('127.0.0.1:1/');
  });
});
