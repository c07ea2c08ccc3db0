import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { migrate, openDatabase } from '@sightline/database';
import { newPersonId, newTemplateId, silentLogger } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { templatesOfPerson } from '../identification/stored-templates.js';
import { startWith, type StartedCloudApi } from '../start-cloud-api.js';
import { fakeReleaseSource } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { PersonalData } from './personal-data.js';
import { sealPlainRows } from './seal-plain-rows.js';

const migrations = fileURLToPath(new URL('../../migrations', import.meta.url));
const PEOPLE = 620;
let cloud: TestCloud;
let api: StartedCloudApi;
const ids = Array.from({ length: PEOPLE }, () => newPersonId());

/** A database as version 0009 of the schema left it, with names and templates in the clear. */
beforeAll(async () => {
  cloud = await startTestCloud();
  await cloud.api.stop();
  const database = await openDatabase({ url: cloud.config.databaseUrl, log: silentLogger });
  const folder = await mkdtemp(join(tmpdir(), 'sightline-old-schema-'));
  try {
    await database.db.execute(sql`DROP SCHEMA cloud CASCADE`);
    for (const name of (await readdir(migrations)).filter((file) => file < '0010')) {
      await cp(join(migrations, name), join(folder, name));
    }
    await migrate(database, { schema: 'cloud', folder });
    await database.db.execute(sql`INSERT INTO cloud.tenant (id, created_at) VALUES (${TENANT}, now())`);
    await database.db.execute(sql`
      INSERT INTO cloud.person (tenant_id, id, name, external_id, created_at)
      SELECT ${TENANT}, id, 'Old Name ' || n, 'ext-' || n, now()
      FROM unnest(${sql.param(ids)}::uuid[]) WITH ORDINALITY AS people (id, n)`);
    await database.db.execute(sql`
      INSERT INTO cloud.template (tenant_id, id, person_id, model_space, key_id, variant_digest, codec, scale, dimension,
        data, quality, created_at)
      SELECT ${TENANT}, id, person_id, 'test-space', 'k', '\\xab', 'int8', 1, 16,
        '\\x4d41524b45524d41524b45524d41524b', 0.8, now()
      FROM unnest(${sql.param(ids.map(() => newTemplateId()))}::uuid[], ${sql.param(ids)}::uuid[]) AS t (id, person_id)`);
  } finally {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
afterAll(() => cloud.stop());

describe('a database of before names were sealed', () => {
  it('is sealed at the start, whole, with nothing left in the clear', async () => {
    api = await cloud.restart();
    const { rows } = await api.database.db.execute(sql`
      SELECT (SELECT count(*)::int FROM cloud.person WHERE name IS NOT NULL OR external_id IS NOT NULL) AS names,
        (SELECT count(*)::int FROM cloud.template WHERE data IS NOT NULL OR sealed IS NULL) AS templates,
        (SELECT sealed_at IS NOT NULL FROM cloud.personal_data) AS sealed,
        (SELECT bool_and(convalidated) FROM pg_constraint WHERE conname IN ('person_sealed', 'template_sealed')) AS valid`);
    expect(rows).toEqual([{ names: 0, templates: 0, sealed: true, valid: true }]);
    const response = await cloud.request({ url: `/v1/people/${ids[0]}` });
    expect(response.json()).toMatchObject({ name: 'Old Name 1', externalId: 'ext-1', faces: 1 });
    const [template] = await templatesOfPerson(api.database, api.app.get(PersonalData), {
      tenantId: TENANT,
      personId: ids[0] ?? newPersonId(),
    });
    expect(Buffer.from(template?.data ?? []).toString()).toBe('MARKERMARKERMARK');
  });

  it('keeps external ids unique', async () => {
    const payload = { name: 'Somebody', externalId: 'ext-7' };
    const response = await cloud.request({ method: 'POST', url: '/v1/people', payload });
    expect(response.json()).toMatchObject({ code: 'PERSON.DUPLICATE_EXTERNAL_ID' });
  });

  it('goes on where a start was interrupted, with the keys that it had made', async () => {
    const { db } = api.database;
    const personalData = api.app.get(PersonalData);
    // As if the process had ended after the keys of these were made, and before their rows were written.
    await db.execute(sql`ALTER TABLE cloud.person DROP CONSTRAINT person_sealed`);
    await db.execute(sql`ALTER TABLE cloud.template DROP CONSTRAINT template_sealed`);
    await db.execute(sql`UPDATE cloud.person SET sealed_name = NULL, name = 'Again' WHERE id = ${ids[1]}`);
    await db.execute(sql`UPDATE cloud.personal_data SET sealed_at = NULL`);
    await db.execute(sql`ALTER TABLE cloud.person ADD CONSTRAINT person_sealed CHECK (name IS NULL) NOT VALID`);
    await db.execute(sql`ALTER TABLE cloud.template ADD CONSTRAINT template_sealed CHECK (data IS NULL) NOT VALID`);
    const { log, clock } = cloud.config;
    await sealPlainRows({ database: api.database, personalData, log, clock });
    expect((await cloud.request({ url: `/v1/people/${ids[1]}` })).json()).toMatchObject({ name: 'Again', faces: 1 });
  });

  it('is not opened with another key store', async () => {
    await api.stop();
    const keyStore = { directory: join(cloud.config.dataDirectory, 'another') };
    await expect(startWith({ ...cloud.config, keyStore }, fakeReleaseSource)).rejects.toMatchObject({
      code: 'KEY_STORE.FOREIGN',
    });
    api = await cloud.restart();
  });
});
