import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fromBinary } from '@bufbuild/protobuf';
import {
  DeviceBirthSchema,
  fleetFilter,
  parseTopic,
  ReleaseStateSchema,
  ReleaseStep,
  ReportedStateSchema,
} from '@sightline/contracts';
import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import { silentLogger, StopStack, systemClock, type DeviceId, type TenantId } from '@sightline/kernel';
import { connectMqtt, startEmbeddedBroker, type EmbeddedBroker } from '@sightline/messaging';
import { startModelRegistry, type ModelRegistry } from '@sightline/model-registry';
import { modelStoreDirectory } from '@sightline/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { AgentProcess } from './agent-process.js';
import { adminAccess } from './registry-tokens.js';

const patience = { timeout: 90_000, interval: 100 };
/** A box may take so long from the moment when it was told. */
const DEADLINE_SECONDS = 8;
const ids = ['box-1', 'box-2', 'box-3', 'box-4', 'box-5'] as const;

const stack = new StopStack();
const folder = mkdtempSync(join(tmpdir(), 'sightline-rollouts-'));
const { access, authorization } = adminAccess(join(folder, 'jwks.json'));
let database: TestDatabase;
let broker: EmbeddedBroker;
let registry: ModelRegistry;
let digests: { readonly old: string; readonly fresh: string };
const agents = new Map<string, AgentProcess>();
/** Every digest that a box ever said it runs, in order, without repetitions. */
const ran = new Map<string, string[]>();
/** Every step of an update that a box ever told. */
const steps = new Map<string, string[]>();
let onStep: (deviceId: string, step: ReleaseStep, version: string) => void = () => undefined;

const agentOf = (id: string): AgentProcess => agents.get(id)!;
const runs = (id: string): string | undefined => ran.get(id)?.at(-1);

const startRegistry = (): Promise<ModelRegistry> =>
  startModelRegistry({
    ...{ host: '127.0.0.1', port: 0, dataDirectory: join(folder, 'registry'), modelStoreDirectory },
    ...{ databaseUrl: database.url, access, log: silentLogger, clock: systemClock },
    modelWork: { memoryBytes: 2 ** 31, deadlineMs: 60_000 },
    mqtt: { url: broker.url, username: 'model-registry', password: 'secret' },
  });

beforeAll(async () => {
  stack.push(() => rmSync(folder, { recursive: true, force: true }));
  database = await startTestDatabase();
  stack.push(() => database.close());
  broker = await startEmbeddedBroker({
    ...{ host: '127.0.0.1', port: 0 },
    authenticate: async (username) => {
      const [tenantId, deviceId] = username.split('/');
      return deviceId === undefined
        ? { kind: 'service', name: username }
        : { kind: 'device', tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId };
    },
  });
  stack.push(() => broker.close());
  registry = await startRegistry();
  stack.push(() => registry.stop());
  await watch();
  for (const id of ids) {
    const { repositoryUrl } = registry;
    const agent = new AgentProcess(id, {
      ...{ folder, mqttUrl: broker.url, repositoryUrl, trustedRoot: registry.trustedRoot() },
    });
    agents.set(id, agent);
    agent.start({ damageable: id === 'box-3' });
    stack.push(() => agent.kill());
  }
  await vi.waitFor(() => expect(ids.every((id) => runs(id) !== undefined)).toBe(true), patience);
  // The same models under another version: what matters here is how it gets to the boxes.
  await ask('POST', '/v1/releases', { version: '1.1.0', models: {} });
  digests = { old: runs('box-1') ?? '', fresh: await digestOf('1.1.0') };
}, 180_000);
afterAll(() => stack.stop());

/** Listens to what boxes say from the first moment on. */
async function watch(): Promise<void> {
  const listener = await connectMqtt({ url: broker.url, clientId: 'watcher', username: 'watcher', password: 'secret' });
  stack.push(() => listener.close());
  const note = (topic: string, digest: string | undefined): void => {
    const { deviceId } = parseTopic(topic);
    const known = ran.get(deviceId) ?? [];
    if (digest !== undefined && known.at(-1) !== digest) ran.set(deviceId, [...known, digest]);
  };
  await listener.subscribe(fleetFilter('birth'), async ({ topic, payload }) =>
    note(topic, fromBinary(DeviceBirthSchema, payload).running?.digest),
  );
  await listener.subscribe(fleetFilter('state/reported'), async ({ topic, payload }) =>
    note(topic, fromBinary(ReportedStateSchema, payload).running?.digest),
  );
  await listener.subscribe(fleetFilter('release/state'), async ({ topic, payload }) => {
    const { deviceId } = parseTopic(topic);
    const { step, releaseVersion } = fromBinary(ReleaseStateSchema, payload);
    steps.set(deviceId, [...(steps.get(deviceId) ?? []), `${releaseVersion} ${ReleaseStep[step]}`]);
    onStep(deviceId, step, releaseVersion);
  });
}

async function ask<Answer>(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
  const headers = { authorization, ...(body && { 'content-type': 'application/json' }) };
  const answer = await fetch(registry.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  const text = await answer.text();
  expect([path, answer.ok ? 200 : text]).toEqual([path, 200]);
  return JSON.parse(text) as Answer;
}

const digestOf = async (version: string): Promise<string> =>
  (await ask<{ readonly digest: string }>('GET', `/v1/releases/${version}`)).digest;

interface Report {
  readonly rollout: { readonly status: string };
  readonly counts: Readonly<Record<string, number>>;
  readonly errors: readonly object[];
}
const reportOf = (id: string): Promise<Report> => ask('GET', `/v1/rollouts/${id}`);
const countsOf = async (id: string): Promise<object> => {
  const { counts } = await reportOf(id);
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
};

it('five agents take a rollout in stages; one computes wrongly, one is silent, one is killed half-way: the report says exactly that', async () => {
  writeFileSync(agentOf('box-3').damageFlag, '');
  agentOf('box-4').signal('SIGSTOP');
  let killedAt: ReleaseStep | undefined;
  let revived: Promise<void> = Promise.resolve();
  onStep = (deviceId, step, version) => {
    if (deviceId !== 'box-5' || version !== '1.1.0' || killedAt !== undefined) return;
    killedAt = step;
    revived = agentOf('box-5')
      .kill()
      .then(() => agentOf('box-5').start());
  };

  const stages = [
    { percentage: 40, advance: 'manual' },
    { percentage: 100, advance: 'manual' },
  ];
  const body = { release: '1.1.0', stages, deadlineSeconds: DEADLINE_SECONDS };
  const { id } = await ask<{ readonly id: string }>('POST', '/v1/rollouts', body);
  await expect
    .poll(async () => (await reportOf(id)).counts, patience)
    .toSatisfy(({ ok = 0, failed = 0, silent = 0 }: Record<string, number>) => ok + failed + silent === 2);
  expect([...ran.values()].flat().filter((digest) => digest === digests.fresh).length).toBeLessThanOrEqual(2);
  await ask('POST', `/v1/rollouts/${id}/advance`);
  await expect.poll(() => countsOf(id), patience).toEqual({ ok: 3, failed: 1, silent: 1 });
  await revived;

  expect(killedAt).toBeDefined();
  expect((await reportOf(id)).errors).toEqual([{ code: 'RELEASE.SELF_TEST_FAILED', devices: 1 }]);
  const { items } = await ask<{ readonly items: readonly object[] }>('GET', `/v1/rollouts/${id}/devices`);
  const running = (digest: string, version: string) => ({ running: { digest, version } });
  expect(items).toMatchObject([
    { deviceId: 'box-1', bucket: 'ok', step: 'COMMITTED', ...running(digests.fresh, '1.1.0') },
    { deviceId: 'box-2', bucket: 'ok', step: 'COMMITTED', ...running(digests.fresh, '1.1.0') },
    { deviceId: 'box-3', bucket: 'failed', step: 'FAILED', ...running(digests.old, '1.0.0') },
    { deviceId: 'box-4', bucket: 'silent', ...running(digests.old, '1.0.0') },
    { deviceId: 'box-5', bucket: 'ok', step: 'COMMITTED', ...running(digests.fresh, '1.1.0') },
  ]);
  // Whoever was killed half-way came back with the old release, and took the new one then.
  expect(ran.get('box-5')).toEqual([digests.old, digests.fresh]);
  expect(steps.get('box-1')).toEqual(expect.arrayContaining(['1.1.0 VERIFIED', '1.1.0 SELF_TEST', '1.1.0 ACTIVE']));
});

it('one command takes all of them back, the silent one too once it is there again; nobody ever ran anything else', async () => {
  const { items } = await ask<{ readonly items: readonly { readonly id: string }[] }>('GET', '/v1/rollouts');
  const id = items[0]?.id ?? '';
  await ask('POST', `/v1/rollouts/${id}/rollback`);
  agentOf('box-4').signal('SIGCONT');
  await expect.poll(async () => (await reportOf(id)).rollout.status, patience).toBe('rolled-back');
  await expect.poll(() => countsOf(id), patience).toEqual({ ok: 5 });
  for (const box of ['box-1', 'box-2', 'box-5']) {
    expect(ran.get(box)).toEqual([digests.old, digests.fresh, digests.old]);
  }
  expect([ran.get('box-3'), ran.get('box-4')]).toEqual([[digests.old], [digests.old]]);
});
