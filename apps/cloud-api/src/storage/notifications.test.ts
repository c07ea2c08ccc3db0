import { openDatabase, type Database } from '@sightline/database';
import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import { silentLogger, systemClock } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { until } from '../testing/test-device.js';
import { Notifications } from './notifications.js';

let server: TestDatabase;
let database: Database;

beforeAll(async () => {
  server = await startTestDatabase();
  database = await openDatabase({ url: server.url, log: silentLogger, maxConnections: 3 });
});
afterAll(async () => {
  await database.close();
  await server.close();
});

function listen() {
  const heard: string[] = [];
  let connections = 0;
  const notifications = new Notifications(database, systemClock, silentLogger);
  notifications.on('cloud_gallery', {
    notified: (payload) => heard.push(payload),
    reconnected: () => (connections += 1),
  });
  notifications.start();
  return { notifications, heard, connections: () => connections };
}
const notify = (payload: string) => database.pool.query(`SELECT pg_notify('cloud_gallery', $1)`, [payload]);

describe('notifications', () => {
  it('stop at whatever moment of their start they are told to', async () => {
    for (const delayMs of [undefined, 0, 1, 2, 3, 5, 8, 13, 30]) {
      const { notifications } = listen();
      if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
      await notifications.stop();
    }
    expect(database.pool.waitingCount).toBe(0);
  });

  it('are heard again after the connection broke, and the listener is told', async () => {
    const { notifications, heard, connections } = listen();
    await until(() => (connections() === 1 ? true : undefined), 'the first connection');
    await notify('one');
    await until(() => (heard.includes('one') ? true : undefined), 'the first notification');
    await database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()`,
    );
    await until(() => (connections() === 2 ? true : undefined), 'the second connection');
    await notify('two');
    await until(() => (heard.includes('two') ? true : undefined), 'the second notification');
    await notifications.stop();
  });
});
