import type { Database } from '@sightline/database';

interface Client {
  query(text: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** The fleet that is made up. */
export const SITES = 50;
const DEVICES_OF_SITE = 2;
const CAMERAS_OF_DEVICE = 2;
const PEOPLE = 20_000;
/** Days up to yesterday, within the time that sightings are kept by default. */
export const DAYS = 88;
export const siteId = (index: number): string => `site-${index + 1}`;

/** Of a box in use: what a decision rests on is as long as here. */
const FACTS = JSON.stringify({
  ...{ use: 'access', policy: 3, n: 100_000, fmr: 1e-6, fpir: 0.01, release: '1.4.0', space: 'arcface-512' },
  variant: 'ab'.repeat(32),
  rules: [
    ['quality', true, 0.3, 0.81],
    ['threshold', true, 0.41, 0.63],
    ['margin', true, 0.05, 0.31],
  ],
});

/**
 * Makes up sightings of the last days, in the database itself: each of a random camera, more by day than by night, two
 * of three of somebody who is known and mostly seen at one site. Without the triggers and checks of each row, and with
 * indexes that are built afterwards: they would take most of the time.
 */
export async function fill(pool: Database['pool'], sightings: number, progress: (text: string) => void): Promise<void> {
  const clients = await Promise.all([pool.connect(), pool.connect()]);
  const [client] = clients;
  try {
    for (const [index, each] of clients.entries()) {
      // Of a server that is stopped meanwhile the query tells, too.
      each.on('error', () => undefined);
      await each.query(`SET session_replication_role = replica`);
      await each.query(`SET synchronous_commit = off`);
      await each.query(`SELECT setseed(${(index + 1) / 10})`);
    }
    await client.query(`
      INSERT INTO cloud.device (tenant_id, id, site_id, password_sha256, created_at)
      SELECT 'default', 'box-' || n, 'site-' || ((n - 1) / ${DEVICES_OF_SITE} + 1), '', now()
      FROM generate_series(1, ${SITES * DEVICES_OF_SITE}) AS n`);
    await client.query(`
      INSERT INTO cloud.person (tenant_id, id, sealed_name, created_at)
      SELECT 'default', md5('person ' || n)::uuid, '', now() FROM generate_series(0, ${PEOPLE - 1}) AS n`);
    const restore = await dropIndexes(client);
    const ofDay = Math.ceil(sightings / DAYS);
    let day = DAYS;
    const fillDays = async (each: Client): Promise<void> => {
      while (day >= 1) {
        await each.query(FILL_DAY, [day--, ofDay, FACTS]);
        progress(`${(ofDay * (DAYS - day)).toLocaleString('en')} sightings …`);
      }
    };
    await Promise.all(clients.map(fillDays));
    progress('indexes …');
    await client.query(`SET maintenance_work_mem = '512MB'`);
    for (const statement of restore) await client.query(statement);
    await client.query('VACUUM ANALYZE cloud.sighting');
    await client.query('VACUUM ANALYZE cloud.identification');
    await client.query('ANALYZE cloud.person');
  } finally {
    for (const each of clients) each.release(true);
  }
}

/** Drops the indexes of the two tables but for their keys. @returns the statements that make them again */
async function dropIndexes(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query(`
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
    WHERE indrelid IN ('cloud.sighting'::regclass, 'cloud.identification'::regclass) AND NOT indisunique`);
  const indexes = rows as readonly { readonly name: string; readonly definition: string }[];
  for (const { name } of indexes) await client.query(`DROP INDEX ${name}`);
  return indexes.map(({ definition }) => definition);
}

const FILL_DAY = `
  WITH made AS MATERIALIZED (
    SELECT *, 'site-' || ((device - 1) / ${DEVICES_OF_SITE} + 1) AS site_id,
      (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || '8' ||
        substr(noise, 4, 15))::uuid AS id
    FROM (
      SELECT date_trunc('day', now()) - $1::int * interval '1 day' + (random() + random() + random()) / 3 * interval '1 day' AS at,
        1 + floor(random() * ${SITES * DEVICES_OF_SITE})::int AS device, floor(random() * ${CAMERAS_OF_DEVICE})::int AS camera,
        random() AS what, random() AS who, random() AS home, random() AS score, random() AS quality,
        random() AS dwell, md5(random()::text) AS noise
      FROM generate_series(1, $2::int)) AS random
    ORDER BY at),
  seen AS (
    INSERT INTO cloud.sighting (tenant_id, id, device_id, site_id, camera_id, phase, revision, first_seen_at, last_seen_at,
      device_first_seen_ms, device_last_seen_ms, boot_id, clock_synchronised, dating, received_at, latency_ms, quality, frames,
      replayed, close_reason, release_digest, trial_arm, stage_ms)
    SELECT 'default', id, 'box-' || device, site_id, 'camera-' || camera, 'close', 3, at, at - ln(1 - dwell) * interval '8 seconds',
      0, 0, 'boot-1', true, 'monotonic', at, 40, 1 - quality * quality, 40, false, 'left', repeat('cd', 32), '',
      '{"detect":12.5,"landmarks":1.2,"align":0.8,"embed":22.1}'
    FROM made)
  INSERT INTO cloud.identification (tenant_id, sighting_id, revision, outcome, person_id, score, threshold, false_match_rate,
    identify_ms, decided_at, facts)
  SELECT 'default', id, 3, outcome,
    CASE WHEN outcome = 'identified' THEN md5('person ' || CASE WHEN home < 0.9
      THEN floor(who * ${PEOPLE / SITES})::int * ${SITES} + (device - 1) / ${DEVICES_OF_SITE} ELSE floor(who * ${PEOPLE})::int END)::uuid END,
    CASE outcome WHEN 'identified' THEN 0.45 + 0.4 * score WHEN 'refused' THEN NULL ELSE 0.1 + 0.3 * score END,
    0.41, 1e-6, 9, at, $3::jsonb
  FROM made, LATERAL (SELECT CASE WHEN what < 0.65 THEN 'identified' WHEN what < 0.68 THEN 'ambiguous'
    WHEN what < 0.94 THEN 'unknown' ELSE 'refused' END) AS decided (outcome)`;
