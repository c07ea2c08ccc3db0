import type { rest } from '@sightline/contracts';
import { newSightingId } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { ADMIN_KEY, startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, until, type TestDevice } from '../testing/test-device.js';

let cloud: TestCloud;
let device: TestDevice;

beforeAll(async () => {
  cloud = await startTestCloud();
  device = await startTestDevice(cloud, 'box-1');
});
afterAll(() => cloud.stop());

interface Stream {
  readonly response: Response;
  readonly text: () => string;
  readonly ended: Promise<void>;
}

async function listen(): Promise<Stream> {
  const response = await fetch(`${cloud.api.url}/v1/sightings/live`, {
    headers: { authorization: `Bearer ${ADMIN_KEY}` },
  });
  let text = '';
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk as Uint8Array, { stream: true });
  };
  return { response, text: () => text, ended: read() };
}

describe('the live stream of sightings', () => {
  it('is refused without a key', async () => {
    const response = await fetch(`${cloud.api.url}/v1/sightings/live`);
    expect(response.status).toBe(401);
    await response.body?.cancel();
  });

  it('says that it lives in comments, which are no events', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const stream = await listen();
    await until(() => {
      vi.advanceTimersByTime(15_000);
      return stream.text().includes('alive') ? true : undefined;
    }, 'a heartbeat');
    vi.useRealTimers();
    expect(stream.text()).toMatch(/^\n(?:: alive\n\n)+$/);
  });

  it('ends when notifications may have been missed, so that its client reads the list', async () => {
    const stream = await listen();
    await cloud.api.database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND pid <> pg_backend_pid()`,
    );
    await stream.ended;
    expect(stream.text()).not.toContain('data:');
  });

  it('brings each committed revision once, with its id, and ends when the service stops', async () => {
    const stream = await listen();
    expect(stream.response.headers.get('content-type')).toMatch('text/event-stream');
    const sightingId = newSightingId();
    const records = [{ sequence: 1, payload: sightingPayload({ sightingId }) }];
    await device.send(records);
    await until(() => (stream.text().includes(`id: ${sightingId}:1`) ? true : undefined), 'the first revision');
    await device.send(records);
    await device.send([{ sequence: 2, payload: sightingPayload({ sightingId, revision: 2 }) }]);
    await until(() => (stream.text().includes(`id: ${sightingId}:2`) ? true : undefined), 'the second revision');
    const events = stream
      .text()
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => JSON.parse(line.slice(6)) as rest.Sighting);
    expect(events.map(({ id, revision }) => [id, revision])).toEqual([
      [sightingId, 1],
      [sightingId, 2],
    ]);
    expect(events[0]).toMatchObject({ deviceId: 'box-1', decision: { outcome: 'refused' } });
    await cloud.api.stop();
    await stream.ended;
  });
});
