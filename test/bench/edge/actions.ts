import type { VerifiedBundle } from '@sightline/contracts';
import { topicOf } from '@sightline/contracts';
import { startEdgeAgent, type EdgeAgent, type EdgeAgentConfigInput } from '@sightline/edge-agent';
import { newPersonId, silentLogger, type DeviceId, type TenantId } from '@sightline/kernel';
import { connectMqtt, startEmbeddedBroker } from '@sightline/messaging';
import { openRecogniser } from '@sightline/recognition';
import { createTemplateProtector } from '@sightline/template-protection';
import { defaultBundle } from '@sightline/testing';
import type { Frame } from '@sightline/vision';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

import { everyFrame } from '../../edge/acting-agent.js';
import { galleryDelta, provisioningOf, templateKey } from '../../edge/local-people.js';
import { composeFrame, frameHeight, frameWidth } from '../frames.js';
import { median, significant } from '../statistics.js';
import { CommandReceiver } from './command-receiver.js';
import { PassingSource } from './passing-source.js';
import { oneRelease } from '../../edge/one-release.js';

const address = { tenantId: 'acme' as TenantId, deviceId: 'door-1' as DeviceId };
/** Frames of a pass: the sighting opens with the third. */
const FRAMES_PER_PASS = 4;
const DECISIVE_FRAME = 2;
const WARM_UP_PASSES = 5;
const PATIENCE_MS = 5000;

/** ms from the capture of the decisive frame. */
interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maximumMs: number;
}

export interface ActionReport {
  /** The worse of both kinds. */
  readonly p99Ms: number;
  /** Until a server on this machine has the request. */
  readonly webhook: Latency;
  /** Until a command has written what it was told. */
  readonly command: Latency;
  /** Until the recognition of the decisive frame, with the embedding of the best shots, was done; of the median pass. */
  readonly recognitionMs: number;
  /** From then on: local match, rule, journal, connection; of the median pass. */
  readonly actionMs: number;
  readonly passes: number;
  /** Actions that did not come within five seconds. */
  readonly missed: number;
}

/**
 * From the capture of the decisive frame to the local action: a whole agent with the default models and one worker
 * looks at a 720p frame with one real face, ten times a second; the person is in its cache; one rule calls a
 * webhook on this machine, another one starts a command. Each pass is a sighting of its own.
 */
export async function measureActions(passes = 150): Promise<ActionReport> {
  const directory = mkdtempSync(join(tmpdir(), 'sightline-bench-actions-'));
  const arrivals = { webhook: [] as number[], command: [] as number[] };
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      arrivals.webhook.push(performance.now());
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const command = await CommandReceiver.open(join(directory, 'relay'), () => arrivals.command.push(performance.now()));
  const [face, bundle] = [await composeFrame(1), await defaultBundle()];
  const source = new PassingSource({ face, nobody: blank(), perPass: FRAMES_PER_PASS });
  const actions: EdgeAgentConfigInput['actions'] = [
    rule('webhook', { kind: 'webhook', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }),
    rule('command', { kind: 'command', program: '/usr/bin/tee', arguments: [command.path] }),
  ];
  const stage = await startStage({ directory, bundle, face, source, actions });
  try {
    return await measure(passes, source, arrivals, stage.recognised);
  } finally {
    await stage.close();
    command.close();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

type Rule = NonNullable<EdgeAgentConfigInput['actions']>[number];

function rule(id: string, action: Rule['do']): Rule {
  return { id, when: { decision: 'identified', source: 'local' }, do: action };
}

async function measure(
  passes: number,
  source: PassingSource,
  arrivals: { webhook: number[]; command: number[] },
  recognised: () => number,
): Promise<ActionReport> {
  const webhook: number[] = [];
  const command: number[] = [];
  const recognition: number[] = [];
  let missed = 0;
  for (let pass = -WARM_UP_PASSES; pass < passes; pass += 1) {
    arrivals.webhook = [];
    arrivals.command = [];
    await source.pass();
    const captured = source.capturedAtMs[DECISIVE_FRAME] ?? Number.NaN;
    const patience = performance.now() + PATIENCE_MS;
    while ((arrivals.webhook.length === 0 || arrivals.command.length === 0) && performance.now() < patience) {
      await sleep(5);
    }
    const [hook = Infinity] = arrivals.webhook;
    const [program = Infinity] = arrivals.command;
    if (pass < 0) continue;
    if (hook === Infinity || program === Infinity) missed += 1;
    webhook.push(hook - captured);
    command.push(program - captured);
    recognition.push(recognised() - captured);
  }
  const [ofWebhooks, ofCommands] = [latency(webhook), latency(command)];
  return {
    p99Ms: Math.max(ofWebhooks.p99Ms, ofCommands.p99Ms),
    webhook: ofWebhooks,
    command: ofCommands,
    recognitionMs: significant(median(recognition)),
    actionMs: significant(median(webhook) - median(recognition)),
    passes,
    missed,
  };
}

function latency(ms: readonly number[]): Latency {
  const sorted = [...ms].sort((a, b) => a - b);
  const at = (part: number): number => significant(sorted[Math.ceil(part * sorted.length) - 1] ?? Number.NaN);
  return { p50Ms: at(0.5), p99Ms: at(0.99), maximumMs: at(1) };
}

interface StageOptions {
  readonly directory: string;
  readonly bundle: VerifiedBundle;
  readonly face: Frame;
  readonly source: PassingSource;
  readonly actions: EdgeAgentConfigInput['actions'];
}

/** A broker, an agent that has the person in its cache, and when its embeddings were last made. */
async function startStage({ directory, bundle, face, source, actions }: StageOptions) {
  const broker = await startEmbeddedBroker({
    ...{ host: '127.0.0.1', port: 0 },
    authenticate: async (username) =>
      username === 'cloud' ? { kind: 'service', name: username } : { kind: 'device', ...address },
  });
  const cloud = await connectMqtt({ url: broker.url, clientId: 'cloud', username: 'cloud', password: 'x' });
  let recognisedMs = Number.NaN;
  const agent = await startEdgeAgent(
    {
      dataDirectory: directory,
      provisioning: provisioningOf({ url: broker.url, username: 'acme/door-1', password: 'x' }),
      cameras: [{ id: 'door', source: { kind: 'folder', directory }, ...everyFrame }],
      // Each pass is a sighting of its own.
      sighting: { closeAfterMs: 1000, cooldownMs: 0 },
      actions,
    },
    {
      log: silentLogger,
      openSource: async () => source,
      selfTest: async () => undefined,
      openRecogniser: async (opened) => {
        const recogniser = await openRecogniser({ bundle: opened, workers: 1, presentationAttack: true });
        const noting = async <Answer>(answer: Promise<Answer>): Promise<Answer> => {
          const settled = await answer;
          recognisedMs = performance.now();
          return settled;
        };
        return {
          ...{ spaceId: recogniser.spaceId, variantDigest: recogniser.variantDigest, provider: recogniser.provider },
          ...{ dimension: recogniser.dimension, scoresPresentations: recogniser.scoresPresentations },
          detect: (...parts) => recogniser.detect(...parts),
          embed: (...parts) => noting(recogniser.embed(...parts)),
          liveScores: (...parts) => noting(recogniser.liveScores(...parts)),
          close: () => recogniser.close(),
        };
      },
      releases: oneRelease(bundle),
    },
  );
  const close = async (): Promise<void> => {
    await agent.stop();
    await cloud.close();
    await broker.close();
  };
  const delta = galleryDelta(
    [{ personId: newPersonId(), groups: [], template: await templateOf(bundle, face) }],
    Date.now(),
  );
  await held(agent, () => cloud.publish(topicOf(address, 'gallery'), delta));
  return { close, recognised: () => recognisedMs };
}

/** Sends the delta until the box holds somebody: its session may not be there yet. */
async function held(agent: EdgeAgent, send: () => Promise<void>): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (agent.status().cache?.state === 'ready') return;
    await send().catch(() => undefined);
    await sleep(100);
  }
  throw new Error(`the box holds nobody: ${JSON.stringify(agent.status().cache)}`);
}

async function templateOf(bundle: VerifiedBundle, frame: Frame) {
  const recogniser = await openRecogniser({ bundle, workers: 1 });
  try {
    const { faces } = await recogniser.detect(frame);
    const protector = createTemplateProtector({ ...templateKey, dimension: recogniser.dimension });
    const { templates } = await recogniser.embed(faces.slice(0, 1), { protector, codec: 'int8' });
    const [template] = templates;
    if (!template) throw new Error('no face');
    return template;
  } finally {
    await recogniser.close();
  }
}

function blank(): Frame {
  return {
    width: frameWidth,
    height: frameHeight,
    data: new Uint8Array(new SharedArrayBuffer(3 * frameWidth * frameHeight)),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(JSON.stringify(await measureActions(Number(process.argv[2] ?? 150)), null, 2));
}
