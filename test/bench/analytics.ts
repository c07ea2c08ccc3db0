import { availableParallelism, cpus, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { openDatabase, type Database } from '@sightline/database';
import { startTestDatabase } from '@sightline/database/testing';
import { silentLogger } from '@sightline/kernel';
import { startMosquitto } from '@sightline/testing';

import { startDebianPostgres } from '../database/debian-postgres.js';
import { CloudProcess } from '../ingest/cloud-process.js';
import { fill } from './analytics/fill.js';
import { consoleQueries, timesOf, type Times } from './analytics/queries.js';
import { writeReport } from './report.js';
import { significant } from './statistics.js';

const usage = `npm run bench:analytics -- [--sightings 10000000] [--queries 200] [--database <url> --keys <directory>]

Makes up sightings in Debian's PostgreSQL at its default settings, has cloud-api's own job count them, and asks what the
console asks, over HTTP, one request after another. Writes reports/analytics.json.
  p95Ms                    of all queries together
  queries.<name>           of each query of the console
  rollUp.rowsPerSecond     sightings that the job counts
  bytes                    what lies on disk

  --queries    of each kind
  --database   an empty one of a server that runs already, and that is left as it is: another run with it goes on where
               this one has ended, and says what it measured itself. Default: a server of Debian's package, thrown away
  --keys       with --database: where cloud-api keeps its keys from run to run`;

const TARGETS = { p95Ms: '≤ 300' };
const ADMIN_KEY = 'bench-admin-key-0123456789abcdef';
const authorization = { authorization: `Bearer ${ADMIN_KEY}` };

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    sightings: { type: 'string', default: '10000000' },
    queries: { type: 'string', default: '200' },
    database: { type: 'string' },
    keys: { type: 'string' },
  },
});
const [sightings, queries] = [Number(values.sightings), Number(values.queries)];
const isWhole = (values.database === undefined) === (values.keys === undefined);
if (values.help || !(sightings >= 1000 && queries >= 1 && isWhole)) {
  console.log(usage);
  process.exit(values.help ? 0 : 2);
}

type Pool = Database['pool'];

const service = { username: 'cloud-api', password: 'bench' };

/** Closes what was started, the last first; what is just being started, once it is. */
const closers: (() => Promise<unknown>)[] = [];
async function started<Started>(
  starting: Promise<Started>,
  close: (it: Started) => Promise<unknown>,
): Promise<Started> {
  closers.push(() => starting.then(close));
  return starting;
}
let ending: Promise<void> | undefined;
const end = (): Promise<void> => (ending ??= closeAll());
async function closeAll(): Promise<void> {
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close().catch(console.error);
}
/** Aborted by a signal: connections are not waited for then, they go with their server. */
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interruption.abort();
    void end().finally(() => process.exit(1));
  });
}

try {
  const mosquitto = await started(
    startMosquitto({ devices: [], services: [service.username], password: service.password }),
    (it) => it.close(),
  );
  const databaseUrl = values.database ?? (await ownDatabase());
  const opening = openDatabase({ url: databaseUrl, log: silentLogger, maxConnections: 2 });
  const { pool } = await started(opening, unlessInterrupted);
  const cloud = await started(
    CloudProcess.start({
      ...{ databaseUrl, adminKey: ADMIN_KEY, dimension: 16, verbose: true },
      ...(values.keys !== undefined && { keyStoreDirectory: resolve(values.keys) }),
      mqtt: { url: mosquitto.url, ...service },
    }),
    (it) => it.stop(),
  );
  await measure(cloud, pool);
} catch (error) {
  if (!interruption.signal.aborted) throw error;
} finally {
  await end();
}

async function unlessInterrupted(it: { close(): Promise<void> }): Promise<void> {
  if (!interruption.signal.aborted) await it.close();
}

async function ownDatabase(): Promise<string> {
  const postgres = await started(startDebianPostgres(), (it) => it.stop());
  const database = await started(startTestDatabase({ serverUrl: postgres.url }), unlessInterrupted);
  return database.url;
}

async function measure(cloud: CloudProcess, pool: Pool): Promise<void> {
  const fillSeconds = await fillOnce(pool);
  const rollUp = await measureRollUp(cloud, pool);
  await pool.query(
    'VACUUM ANALYZE cloud.analytics_hour, cloud.analytics_day, cloud.analytics_person_day, cloud.analytics_people_day',
  );
  console.error('queries …');
  const { all, ...asked } = await measureQueries(cloud);
  const bytes = await storage(pool);
  const report = {
    machine: {
      ...{ cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version },
      loadAverage: significant(loadavg()[0] ?? 0),
    },
    postgres: (await pool.query<{ version: string }>('SELECT version()')).rows[0]?.version,
    ...{ sightings: await count(pool, 'cloud.sighting'), fillSeconds, rollUp },
    ...{ p50Ms: all.p50Ms, p95Ms: all.p95Ms, queriesOfEach: queries, queries: asked, bytes, targets: TARGETS },
  };
  console.table(asked);
  console.table({ p95Ms: all.p95Ms, 'rollUp.rowsPerSecond': rollUp.rowsPerSecond, ...bytes });
  await writeReport('analytics', report);
}

/** @returns how long it took; undefined where an earlier run has done it */
async function fillOnce(pool: Pool): Promise<number | undefined> {
  const there = await count(pool, 'cloud.sighting');
  if (there >= sightings) return undefined;
  if (there > 0) throw new Error('An earlier run has not filled this database to its end: it needs an empty one.');
  const from = performance.now();
  await fill(pool, sightings, (text) => process.stderr.write(`\r${text}`));
  const seconds = significant((performance.now() - from) / 1000);
  console.error(`\nfilled in ${seconds} s`);
  return seconds;
}

/**
 * Has everything counted, or what an earlier run has left, and measures from the first transaction of the job, whose
 * beginning nobody sees, to its last.
 */
async function measureRollUp(cloud: CloudProcess, pool: Pool) {
  if ((await count(pool, 'cloud.analytics_hour')) === 0 && (await hoursLeft(pool)).length === 0) {
    await fetch(`${cloud.url}/v1/analytics/rebuild`, { method: 'POST', headers: authorization });
  }
  const noted = await hoursLeft(pool);
  const sizes = await hourSizes(pool, noted);
  let left = noted;
  while (left.length > 0 && left.length === noted.length) left = await nextHoursLeft(pool);
  const [begunAt, hours] = [performance.now(), left.length];
  const rows = left.reduce((sum, hour) => sum + (sizes.get(hour) ?? 0), 0);
  for (let said = 0; left.length > 0; left = await nextHoursLeft(pool)) {
    if (left.length !== said) process.stderr.write(`\r${left.length} hours …  `);
    said = left.length;
  }
  const seconds = (performance.now() - begunAt) / 1000;
  if (rows > 0) console.error(`\ncounted ${rows.toLocaleString('en')} sightings in ${significant(seconds)} s`);
  return {
    ...(rows > 0 && { seconds: significant(seconds), rowsPerSecond: significant(rows / seconds), rows, hours }),
    hourRows: await count(pool, 'cloud.analytics_hour'),
    personDays: await count(pool, 'cloud.analytics_person_day'),
  };
}

/** How many sightings began in hours. */
async function hourSizes(pool: Pool, hours: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await pool.query<HourRow>(
    `SELECT hour::text, of_hour.count
     FROM unnest($1::bigint[]) AS hour CROSS JOIN LATERAL (
       SELECT count(*)::int AS count FROM cloud.sighting
       WHERE tenant_id = 'default' AND first_seen_at >= to_timestamp(hour) AND first_seen_at < to_timestamp(hour + 3600)) AS of_hour`,
    [hours],
  );
  return new Map(rows.map(({ hour, count: sightingsOfHour }) => [hour, sightingsOfHour]));
}

interface HourRow {
  readonly hour: string;
  readonly count: number;
}

async function nextHoursLeft(pool: Pool): Promise<readonly string[]> {
  await sleep(50);
  return hoursLeft(pool);
}

/** Hours that are noted and not counted, as seconds of the epoch. */
async function hoursLeft(pool: Pool): Promise<readonly string[]> {
  const { rows } = await pool.query<Pick<HourRow, 'hour'>>(
    'SELECT DISTINCT extract(epoch FROM hour)::bigint::text AS hour FROM cloud.analytics_dirty',
  );
  return rows.map(({ hour }) => hour);
}

async function measureQueries(cloud: CloudProcess): Promise<Readonly<Record<string, Times>> & { readonly all: Times }> {
  const asked = Object.entries(consoleQueries(new Date()));
  const ms = new Map(asked.map(([name]) => [name, [] as number[]]));
  for (let round = -5; round < queries; round += 1) {
    for (const [name, path] of asked) {
      const from = performance.now();
      const response = await fetch(`${cloud.url}/${path()}`, { headers: authorization });
      await response.text();
      if (!response.ok) throw new Error(`${name}: ${response.status}`);
      // The first rounds warm up.
      if (round >= 0) ms.get(name)?.push(performance.now() - from);
    }
  }
  const each = Object.fromEntries([...ms].map(([name, times]) => [name, timesOf(times)]));
  return { ...each, all: timesOf([...ms.values()].flat()) };
}

async function count(pool: Pool, table: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`);
  return rows[0]?.count ?? 0;
}

async function storage(pool: Pool): Promise<Readonly<Record<string, number>>> {
  const tables = [
    'sighting',
    'identification',
    'analytics_hour',
    'analytics_day',
    'analytics_person_day',
    'analytics_people_day',
  ];
  const { rows } = await pool.query<{ name: string; bytes: string }>(
    'SELECT name, pg_total_relation_size(($1 || name)::regclass) AS bytes FROM unnest($2::text[]) AS name',
    ['cloud.', tables],
  );
  return Object.fromEntries(rows.map(({ name, bytes }) => [name, Number(bytes)]));
}
