import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { rest } from '@sightline/contracts';
import { startEdgeAgent, type EdgeAgent, type EdgeAgentStatus } from '@sightline/edge-agent';
import { silentLogger, StopStack } from '@sightline/kernel';
import { samplePhotos } from '@sightline/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { HubUnderTest } from '../bad-input/hub-under-test.js';
import { portrait } from '../bad-input/photos.js';
import { until } from '../bad-input/until.js';
import { CuttableProxy } from '../page/cuttable-proxy.js';
import { comingAndGoing } from './coming-and-going.js';

/** Images with somebody in view, and without: a sighting opens and closes with each round. */
const IMAGES = { person: 8, nobody: 8 };

/** A whole agent before a cloud: REST, broker, database and models are real, and the cable between can be cut. */
describe('the local cache of a box', () => {
  const stack = new StopStack();
  let stand: HubUnderTest;
  let cable: CuttableProxy;
  let agent: EdgeAgent;
  let personId: string;

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sightline-local-cache-'));
    stack.push(() => rm(directory, { recursive: true, force: true }));
    stand = await HubUnderTest.start();
    stack.push(() => stand.stop());
    cable = new CuttableProxy(stand.hub.ready.mqttUrl);
    await cable.open();
    stack.push(() => cable.cut());
    const provisioning = await stand.client.createDevice({ id: 'door-1', siteId: 'main-gate' });
    agent = await startEdgeAgent(
      {
        dataDirectory: join(directory, 'agent'),
        provisioning: { ...provisioning, mqtt: { ...provisioning.mqtt, url: cable.url.replace('http', 'mqtt') } },
        cameras: [
          {
            id: 'door',
            source: {
              kind: 'folder',
              directory: await comingAndGoing(directory, IMAGES),
              loop: true,
              framesPerSecond: 10,
            },
          },
        ],
        sighting: { closeAfterMs: 300 },
      },
      { log: silentLogger },
    );
    stack.push(() => agent.stop());
  });
  afterAll(() => stack.stop());

  const cache = (): NonNullable<EdgeAgentStatus['cache']> => {
    const { cache: status } = agent.status();
    if (status === null) throw new Error('the box has no cache');
    return status;
  };
  async function get<T>(path: string, schema: { parse(body: unknown): T }): Promise<T> {
    const { body } = await stand.send('GET', path);
    return schema.parse(body);
  }
  const erasure = () => get(`/v1/people/${personId}/erasure`, rest.erasureSchema);
  const ownCache = async () => (await get('/v1/edge-caches', rest.edgeCachePageSchema)).items[0];
  const matches = (more: number) => {
    const { identified } = cache().matches;
    return until(() => (cache().matches.identified >= identified + more ? true : undefined), 'a match on the box');
  };

  it('is filled with whom its site needs, and the box matches by itself', async () => {
    const person = await stand.client.createPerson({ name: 'Ada', sites: ['main-gate'], groups: ['staff'] });
    personId = person.id;
    expect(person).toMatchObject({ sites: ['main-gate'], groups: ['staff'] });
    const other = await stand.client.createPerson({ name: 'Bea', sites: ['elsewhere'] });
    await stand.client.enrolFace(other.id, await somebodyElse());
    await stand.client.enrolFace(person.id, await portrait());
    await until(() => (cache().people === 1 ? true : undefined), 'the person in the cache');
    expect(cache().state).toBe('ready');
    await matches(1);
    const shown = await until(async () => {
      const found = await ownCache();
      return found?.confirmedVersion === cache().version ? found : undefined;
    }, 'the receipt');
    expect(shown).toMatchObject({ deviceId: 'door-1', people: 1, error: null, pendingErasures: [] });
    expect(shown.cacheId).toBe(cache().cacheId);
  });

  it('goes on without the cloud, and an erasure is outstanding until the box is back', async () => {
    await cable.cut();
    await until(() => (agent.status().connected ? undefined : true), 'the box away');
    await matches(1);

    await fetch(new URL(`/v1/people/${personId}`, stand.hub.ready.apiUrl), {
      ...{ method: 'DELETE', headers: { authorization: `Bearer ${stand.hub.adminKey}` } },
    });
    const pending = await erasure();
    expect(pending).toMatchObject({ outstanding: 1, devices: [{ deviceId: 'door-1', confirmedAt: null }] });
    expect(pending.devices[0]?.leaseExpiresAt).toBe(cache().leaseExpiresAt);
    expect((await ownCache())?.pendingErasures).toMatchObject([{ personId, erasureId: pending.id }]);
    expect(cache().people).toBe(1);
    await matches(1);

    await cable.open();
    await until(() => (cache().people === 0 ? true : undefined), 'the tombstone');
    await until(async () => ((await ownCache())?.pendingErasures.length === 0 ? true : undefined), 'the receipt');
    expect((await ownCache())?.pendingErasures).toEqual([]);
    expect(cache().deltas.erasures).toBeGreaterThanOrEqual(1);
  });

  it('never overrules the cloud: whom the box named meanwhile is unknown, and counted', async () => {
    await until(async () => (((await ownCache())?.localDiffered ?? 0) > 0 ? true : undefined), 'the difference');
    const differing = (await stand.sightingsOf('door-1')).filter(({ localDiffered }) => localDiffered);
    for (const { decision } of differing) expect(decision).toMatchObject({ outcome: 'unknown', person: null });
    const { identified } = cache().matches;
    await until(() => (cache().state === 'empty' ? true : undefined), 'the empty cache');
    expect(cache().matches.identified).toBe(identified);
  });
});

const somebodyElse = (): Promise<Buffer> =>
  sharp(samplePhotos()[2]).extract({ left: 953, top: 43, width: 467, height: 643 }).jpeg({ quality: 92 }).toBuffer();
