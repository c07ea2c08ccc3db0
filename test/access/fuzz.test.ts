import { readFileSync } from 'node:fs';

import { toBinary, type DescMessage } from '@bufbuild/protobuf';
import {
  channels,
  CommandAckSchema,
  DeviceBirthSchema,
  DeviceHealthSchema,
  DeviceStatusSchema,
  GalleryReceiptSchema,
  RecordPayloadSchema,
  ReleaseStateSchema,
  ReportedStateSchema,
  rest,
  SightingBatchSchema,
  TemplateCodec,
  type Channel,
} from '@sightline/contracts';
import { newSightingId, seededIntegers } from '@sightline/kernel';
import { operationsOf, type ApiDocument } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { HubUnderTest } from '../bad-input/hub-under-test.js';
import { RawDevice, sightingPayload } from '../bad-input/raw-device.js';
import { brokenBytes, randomMessage } from './random-message.js';
import { randomRequest, type RawRequest } from './random-request.js';

/** How long each half goes on, s, and where it begins: `FUZZ_SECONDS=600 FUZZ_SEED=7`. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 8);
const SEED = Number(process.env.FUZZ_SEED ?? 20_260_101);
const CLIENTS = 6;
/** How much more memory the hub may have afterwards, MiB: caches and the collector's leisure, whatever the seconds. */
const GROWTH_MIB = 400;

type DeviceChannel = { [C in Channel]: (typeof channels)[C]['publisher'] extends 'device' ? C : never }[Channel];
/** What boxes say on each of their channels: a new one does not compile until it is here. */
const messages: Readonly<Record<DeviceChannel, DescMessage>> = {
  status: DeviceStatusSchema,
  birth: DeviceBirthSchema,
  'state/reported': ReportedStateSchema,
  sighting: SightingBatchSchema,
  'gallery/receipt': GalleryReceiptSchema,
  'health/window': SightingBatchSchema,
  health: DeviceHealthSchema,
  'command/ack': CommandAckSchema,
  'release/state': ReleaseStateSchema,
};

let stand: HubUnderTest;
let device: RawDevice;
let keyId: string;
let tokens: readonly string[];

beforeAll(async () => {
  stand = await HubUnderTest.start();
  const provisioning = await stand.client.createDevice({ id: 'box-1', siteId: 'gate' });
  keyId = provisioning.templateKey.keyId;
  device = await RawDevice.connect(provisioning);
  // Several callers, so that nobody's limit of requests is what answers.
  tokens = await Promise.all(Array.from({ length: CLIENTS }, () => newKey('admin')));
});
afterAll(async () => {
  await device.close();
  await stand.stop();
});

async function newKey(role: string): Promise<string> {
  const body = new TextEncoder().encode(JSON.stringify({ label: 'fuzz', role }));
  const answer = await stand.send('POST', '/v1/api-keys', body, 'application/json');
  return rest.newApiKeySchema.parse(answer.body).secret;
}

/** Resident memory of the hub, MiB. */
function memory(): number {
  const status = readFileSync(`/proc/${stand.hub.process.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** Whatever came in: the hub is the same process, of about the same size, and does its work. */
async function expectSound(beforeMib: number): Promise<void> {
  expect(stand.hub.process.restarts).toBe(0);
  expect(memory() - beforeMib).toBeLessThan(GROWTH_MIB);
  const fresh = await stand.client.createPerson({ name: 'After' });
  expect((await stand.send('GET', `/v1/people/${fresh.id}`)).status).toBe(200);
  const data = new Uint8Array(512).fill(1);
  const template = { modelSpace: 'any', keyId, codec: TemplateCodec.INT8, scale: 1, dimension: 512, data };
  await device.send(sightingPayload(newSightingId(), template));
}

async function answerTo({ method, path, headers, body }: RawRequest, token: string) {
  const response = await fetch(stand.hub.ready.apiUrl + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
    signal: AbortSignal.timeout(30_000),
    ...(body && { body: new Uint8Array(body) }),
  });
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('event-stream')) {
    await response.body?.cancel();
    return { status: response.status, type, text: '' };
  }
  return { status: response.status, type, text: await response.text() };
}

describe('whatever is sent to the hub', () => {
  it(
    'over REST, to every operation, is answered as nobody’s mistake but the client’s',
    { timeout: 7_200_000 },
    async () => {
      const document = (await stand.send('GET', '/openapi.json')).body as ApiDocument;
      const operations = operationsOf(document);
      const beforeMib = memory();
      const end = performance.now() + SECONDS * 1000;
      const [failures, asked, statuses] = [[] as object[], new Set<string>(), new Map<number, number>()];
      let turn = 0;
      const client = async (token: string): Promise<void> => {
        while (performance.now() < end || asked.size < operations.length) {
          const seed = SEED + (turn += 1);
          const operation = operations[turn % operations.length];
          if (operation === undefined) return;
          const request = randomRequest(operation, document, seededIntegers(seed));
          const { status, type, text } = await answerTo(request, token);
          asked.add(`${operation.method} ${operation.path}`);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          // 503 is what the hub says deliberately, of a part that is not there.
          const isFault = (status >= 500 && status !== 503) || (status >= 400 && !type.includes('problem+json'));
          if (isFault)
            failures.push({
              seed,
              status,
              type,
              method: request.method,
              headers: request.headers,
              path: request.path.slice(0, 200),
              text: text.slice(0, 300),
            });
        }
      };
      await Promise.all(tokens.map(client));
      process.stdout.write(`fuzz over REST: ${turn} requests, ${JSON.stringify([...statuses])}\n`);
      expect(failures).toEqual([]);
      expect(stand.logged('SERVICE.INTERNAL')).toBe(0);
      await expectSound(beforeMib);
    },
  );

  it('over MQTT, on every channel of a box, neither ends it nor stops it', { timeout: 7_200_000 }, async () => {
    const beforeMib = memory();
    const end = performance.now() + SECONDS * 1000;
    const names = Object.keys(messages) as DeviceChannel[];
    let turn = 0;
    for (; performance.now() < end || turn < names.length; turn += 1) {
      const draw = seededIntegers(SEED + turn);
      const channel = names[turn % names.length] ?? 'status';
      // What is larger than its channel allows costs the connection, deliberately.
      await device.publish(channel, payloadOf(channel, draw).subarray(0, channels[channel].maximumBytes));
    }
    process.stdout.write(`fuzz over MQTT: ${turn} messages\n`);
    await expectSound(beforeMib);
  });
});

function payloadOf(channel: DeviceChannel, draw: (below: number) => number): Uint8Array {
  const schema = messages[channel];
  if (schema !== SightingBatchSchema || draw(3) === 0) return brokenBytes(schema, randomMessage(schema, draw), draw);
  // A batch that is sound, of records that are not.
  const record = draw(2) === 0 ? toBinary(RecordPayloadSchema, randomMessage(RecordPayloadSchema, draw)) : undefined;
  return device.batch(
    record ?? brokenBytes(RecordPayloadSchema, randomMessage(RecordPayloadSchema, draw), draw),
    BigInt(draw(50) + 1),
  );
}
