import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { rest } from '@sightline/contracts';
import { startEdgeAgent, type EdgeAgent, type EdgeAgentConfigInput } from '@sightline/edge-agent';
import { silentLogger, StopStack, systemClock, type Clock } from '@sightline/kernel';
import { freePort } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { HubUnderTest } from '../bad-input/hub-under-test.js';
import { portrait } from '../bad-input/photos.js';
import { until } from '../bad-input/until.js';
import { comingAndGoing } from '../edge/coming-and-going.js';
import { BoxProcess } from './box-process.js';
import { provisionBox } from './provision-box.js';

/** Longer than any lease. */
const LATER_MS = 30 * 86_400_000;
const PATIENT_MS = 25_000;
const TEST_MS = 120_000;
const RUNNING = ['door-1', 'door-2'] as const;
const STOLEN = 'door-3';

/** A real hub and real boxes before which somebody comes and goes: two in processes, one whose clock can be advanced. */
describe('the rotation of a template key while people are seen', () => {
  const stack = new StopStack();
  const boxes = new Map<string, BoxProcess>();
  let stand: HubUnderTest;
  let stolen: EdgeAgent;
  let laterMs = 0;
  let personId: string;
  /** When the key was rotated, by the hub's clock. */
  let rotatedAt: string;
  let seenOfStolen: number;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sightline-rotation-'));
    stack.push(() => rm(folder, { recursive: true, force: true }));
    stand = await HubUnderTest.start({ mqtts: await freePort() });
    stack.push(() => stand.stop());
    const person = await stand.client.createPerson({ name: 'Ada', sites: ['main-gate'] });
    personId = person.id;
    await stand.client.enrolFace(personId, await portrait());
    const film = await comingAndGoing(folder, { person: 4, nobody: 4 });
    const configOf = async (id: string): Promise<EdgeAgentConfigInput> => {
      const document = await stand.client.createDevice({ id, siteId: 'main-gate' });
      const dataDirectory = join(folder, id, 'agent');
      await mkdir(dataDirectory, { recursive: true });
      return {
        dataDirectory,
        provisioning: await provisionBox(folder, stand.hub.ready.apiUrl, document),
        cameras: [{ id: 'door', source: { kind: 'folder', directory: film, loop: true, framesPerSecond: 5 } }],
        sighting: { closeAfterMs: 300, cooldownMs: 0 },
      };
    };
    for (const id of RUNNING) {
      const box = await BoxProcess.start(await configOf(id), join(folder, `${id}.config.json`));
      boxes.set(id, box);
      stack.push(() => box.stop());
    }
    const clock: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() + laterMs };
    stolen = await startEdgeAgent(await configOf(STOLEN), { log: silentLogger, clock });
    stack.push(() => stolen.stop());
  }, TEST_MS);
  afterAll(() => stack.stop());

  const send = async (method: string, path: string, body?: object) =>
    stand.send(method, path, body && Buffer.from(JSON.stringify(body)), 'application/json');
  const keys = async () => rest.templateKeysSchema.parse((await send('GET', '/v1/template-keys')).body);
  const caches = async () => rest.edgeCachePageSchema.parse((await send('GET', '/v1/edge-caches')).body).items;
  const seen = async (id: string, since = '') =>
    (await stand.sightingsOf(id)).filter(({ firstSeenAt }) => firstSeenAt > since);
  const identifiedOn = async (id: string) => (await boxes.get(id)?.status())?.cache?.matches.identified ?? 0;

  it(
    'begins with boxes that know the person, as the cloud does',
    async () => {
      for (const id of RUNNING) {
        await until(async () => ((await seen(id)).length >= 2 ? true : undefined), `sightings of ${id}`, PATIENT_MS);
        await until(async () => ((await identifiedOn(id)) > 0 ? true : undefined), `a match on ${id}`, PATIENT_MS);
      }
      await until(
        () => ((stolen.status().cache?.matches.identified ?? 0) > 0 ? true : undefined),
        'a match',
        PATIENT_MS,
      );
      await until(async () => ((await seen(STOLEN)).length > 0 ? true : undefined), 'a sighting of the third box');
      expect((await keys()).keys.map(({ state }) => state)).toEqual(['current']);
    },
    TEST_MS,
  );

  it(
    'takes boxes and caches along, and nobody is missed before, meanwhile or afterwards',
    async () => {
      expect((await send('POST', `/v1/devices/${STOLEN}/revoke`, { reason: 'stolen' })).status).toBe(204);
      await until(() => (stolen.status().connected ? undefined : true), 'the revoked box away');
      seenOfStolen = (await seen(STOLEN)).length;
      expect((await send('POST', '/v1/template-keys/rotate', {})).status).toBe(202);
      rotatedAt = new Date().toISOString();
      const [current, superseded] = (await keys()).keys;
      expect([current?.state, superseded?.state]).toEqual(['current', 'superseded']);
      await until(
        async () => ((await keys()).devices.current === RUNNING.length ? true : undefined),
        'both boxes under the new key',
        PATIENT_MS,
      );
      const under = async () =>
        (await caches()).filter(({ keyId, people }) => keyId === current?.keyId && people === 1);
      await until(
        async () => {
          const ready = (await under()).filter(({ confirmedVersion }) => confirmedVersion > 0);
          return ready
            .map(({ deviceId }) => deviceId)
            .sort()
            .join() === RUNNING.join()
            ? true
            : undefined;
        },
        'both caches under the new key',
        PATIENT_MS,
      );
      const movedAt = new Date().toISOString();
      for (const id of RUNNING) {
        const before = await identifiedOn(id);
        await until(async () => ((await identifiedOn(id)) > before ? true : undefined), `a match on ${id}`);
        await until(async () => ((await seen(id, movedAt)).length >= 2 ? true : undefined), `sightings of ${id}`);
      }
      const all = (await Promise.all(RUNNING.map((id) => seen(id)))).flat();
      const decided = all.map(({ decision }) => [decision.outcome, decision.person?.id]);
      expect(new Set(decided.map(String))).toEqual(new Set([`identified,${personId}`]));
      const scores = (which: readonly rest.Sighting[]) => which.map(({ decision }) => decision.score ?? 0);
      const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const [earlier, later] = [
        all.filter((s) => s.firstSeenAt < rotatedAt),
        all.filter((s) => s.firstSeenAt > movedAt),
      ];
      expect(Math.abs(mean(scores(earlier)) - mean(scores(later)))).toBeLessThan(0.02);
    },
    TEST_MS,
  );

  it(
    'leaves a box that was revoked before with nothing: neither the cloud nor, after its lease, itself',
    async () => {
      const [current] = (await keys()).keys;
      const own = (await caches()).find(({ deviceId }) => deviceId === STOLEN);
      expect(own?.keyId).not.toBe(current?.keyId);
      laterMs = LATER_MS;
      await until(() => (stolen.status().cache?.state === 'expired' ? true : undefined), 'the end of the lease');
      const { cache, outbox } = stolen.status();
      await until(
        () => (stolen.status().outbox.nextSequence > outbox.nextSequence + 3 ? true : undefined),
        'sightings',
      );
      expect(stolen.status().cache?.matches.identified).toBe(cache?.matches.identified);
      expect(stolen.status().connected).toBe(false);
      expect((await seen(STOLEN)).length).toBe(seenOfStolen);
    },
    TEST_MS,
  );
});
