import type { rest } from '@sightline/contracts';
import { newPersonId, newSightingId, type TenantId } from '@sightline/kernel';
import type { OpenAPIObject } from '@nestjs/swagger';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { enrolPeople } from './testing/enrol.js';
import { ADMIN_KEY, startTestCloud, type TestCloud } from './testing/test-cloud.js';

/** A cursor as ours are made, of a year that PostgreSQL does not know. */
const YEAR_0 = Buffer.from(JSON.stringify(['0000-01-01T00:00:00.000Z', newSightingId()])).toString('base64url');

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

/** What needs no key, on purpose: descriptions, keys to verify with, and what boxes prove themselves for otherwise. */
const PUBLIC = [
  'get /.well-known/jwks.json',
  'get /health/live',
  'get /health/ready',
  'get /v1/asyncapi.json',
  'get /v1/device-certificates/authority',
  'get /v1/device-certificates/crl',
  'post /v1/device-certificates',
  'post /v1/device-certificates/renewals',
];
/** A named schema, nothing at all, or a file that is no JSON. */
const ANSWER =
  /^\["204"|#\/components\/schemas\/|"content":\{"(?:text\/csv|application\/x-ndjson|application\/x-pem-file|text\/plain|image\/jpeg)/;

describe('an API key', () => {
  it.each([
    ['none', undefined],
    ['another', 'Bearer wrong'],
    ['one of another scheme', `Basic ${ADMIN_KEY}`],
    ['one with a suffix', `Bearer ${ADMIN_KEY}x`],
  ])('is asked for: %s is refused', async (_, authorization) => {
    const response = await cloud.api.app.inject({
      url: '/v1/people',
      headers: authorization === undefined ? {} : { authorization },
    });
    expect(response.statusCode).toBe(401);
    expect(response.headers['content-type']).toMatch('application/problem+json');
    expect(response.headers['www-authenticate']).toMatch(/^Bearer/);
    expect(response.json()).toMatchObject({ code: 'ACCESS.UNAUTHENTICATED' });
  });

  it('is needed on every route below /v1', async () => {
    const document = (await cloud.api.app.inject({ url: '/openapi.json' })).json<{
      paths: Record<string, Record<string, { security?: unknown[] }>>;
    }>();
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security }]) => ({ method, path, isPublic: security?.length === 0 })),
    );
    const open = routes.filter(({ isPublic }) => isPublic).map(({ method, path }) => `${method} ${path}`);
    expect(open.sort()).toEqual(PUBLIC);
    const guarded = routes
      .filter(({ isPublic }) => !isPublic)
      .map(({ method, path }) => [method, path.replace('{id}', newPersonId())] as const);
    expect(guarded.length).toBeGreaterThanOrEqual(12);
    for (const [method, url] of guarded) {
      const response = await cloud.api.app.inject({ method: method as 'GET', url });
      expect([url, response.statusCode]).toEqual([url, 401]);
    }
  });

  it('is stored as a digest alone', async () => {
    const { rows } = await cloud.api.database.db.execute(sql`SELECT * FROM cloud.api_key`);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(ADMIN_KEY);
  });
});

describe('a request that does not fit', () => {
  it.each([
    ['an unknown route', { url: '/v1/nothing' }, 404, 'REQUEST.NOT_FOUND'],
    [
      'broken JSON',
      { method: 'POST' as const, url: '/v1/people', payload: '{', headers: { 'content-type': 'application/json' } },
      400,
      'REQUEST.INVALID',
    ],
    [
      'a body of another type',
      { method: 'POST' as const, url: '/v1/people', payload: 'x', headers: { 'content-type': 'text/plain' } },
      415,
      'REQUEST.UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'a body that is too large',
      { method: 'POST' as const, url: '/v1/people', payload: { name: 'x'.repeat(2_000_000) } },
      413,
      'REQUEST.TOO_LARGE',
    ],
    ['an id that is none', { url: '/v1/people/42' }, 400, 'REQUEST.INVALID'],
    ['a cursor that is none', { url: '/v1/people?cursor=42' }, 400, 'REQUEST.INVALID'],
    ['a cursor before the calendar', { url: `/v1/sightings?cursor=${YEAR_0}` }, 400, 'REQUEST.INVALID'],
    ['a time before the calendar', { url: '/v1/sightings?from=0000-01-01T00:00:00Z' }, 400, 'REQUEST.INVALID'],
    ['a limit beyond bounds', { url: '/v1/sightings?limit=5000' }, 400, 'REQUEST.INVALID'],
    ['an unknown filter', { url: '/v1/sightings?name=x' }, 400, 'REQUEST.INVALID'],
  ])('with %s gets a problem document', async (_, request, status, code) => {
    const response = await cloud.request(request);
    expect(response.statusCode).toBe(status);
    expect(response.headers['content-type']).toMatch('application/problem+json');
    expect(response.json()).toMatchObject({ type: `urn:sightline:error:${code}`, status, code });
  });

  it.each(['Ada\0', 'Ada\nLovelace', 'Ada \ud800'])('with the name %j is refused', async (name) => {
    for (const payload of [{ name }, { name: 'Ada', externalId: name.toLowerCase() }]) {
      const response = await cloud.request({ method: 'POST', url: '/v1/people', payload });
      expect(response.json()).toMatchObject({ status: 400, code: 'REQUEST.INVALID' });
    }
  });

  it('is told every field that is wrong', async () => {
    const payload = { name: '', externalId: 7, nickname: 'x' };
    const response = await cloud.request({ method: 'POST', url: '/v1/people', payload });
    const paths = response.json<rest.Problem>().errors?.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['name', 'externalId']));
  });
});

describe('people', () => {
  const create = (payload: object) => cloud.request({ method: 'POST', url: '/v1/people', payload });

  it('are added, read and removed', async () => {
    const created = await create({ name: '  Ada Lovelace ', externalId: 'e-1' });
    expect(created.statusCode).toBe(201);
    const person = created.json<rest.Person>();
    expect(person).toMatchObject({ name: 'Ada Lovelace', externalId: 'e-1', faces: 0 });
    const url = `/v1/people/${person.id}`;
    expect((await cloud.request({ url })).json()).toEqual(person);
    expect((await cloud.request({ method: 'DELETE', url })).statusCode).toBe(204);
    for (const method of ['GET', 'DELETE'] as const) {
      expect((await cloud.request({ method, url })).json()).toMatchObject({ status: 404, code: 'PERSON.NOT_FOUND' });
    }
  });

  it('have an external id of their own', async () => {
    await create({ name: 'One', externalId: 'same' });
    const second = await create({ name: 'Two', externalId: 'same' });
    expect(second.json()).toMatchObject({ status: 409, code: 'PERSON.DUPLICATE_EXTERNAL_ID' });
  });

  it('are changed field by field; sites and groups are sets', async () => {
    const person = (await create({ name: 'Change', externalId: 'e-7', groups: ['b', 'a', 'b'] })).json<rest.Person>();
    expect(person).toMatchObject({ sites: [], groups: ['a', 'b'] });
    const patch = (payload: object, id = person.id) =>
      cloud.request({ method: 'PATCH', url: `/v1/people/${id}`, payload });
    const changed = { ...person, externalId: null, sites: ['main-gate'] };
    expect((await patch({ externalId: null, sites: ['main-gate', 'main-gate'] })).json()).toEqual(changed);
    expect((await patch({ groups: [] })).json()).toEqual({ ...changed, groups: [] });
    await create({ name: 'Other', externalId: 'taken' });
    expect((await patch({ externalId: 'taken' })).json()).toMatchObject({ code: 'PERSON.DUPLICATE_EXTERNAL_ID' });
    expect((await patch({ name: 'X' }, newPersonId())).json()).toMatchObject({ code: 'PERSON.NOT_FOUND' });
    for (const payload of [{}, { name: null }, { sites: ['Main Gate'] }, { faces: 3 }]) {
      expect((await patch(payload)).json()).toMatchObject({ status: 400, code: 'REQUEST.INVALID' });
    }
  });

  it('are paged newest first, and a page does not shift when somebody is added meanwhile', async () => {
    for (const name of ['P1', 'P2', 'P3', 'P4', 'P5']) await create({ name });
    const first = (await cloud.request({ url: '/v1/people?limit=2' })).json<rest.PersonPage>();
    expect(first.items.map(({ name }) => name)).toEqual(['P5', 'P4']);
    await create({ name: 'P6' });
    const second = (
      await cloud.request({ url: `/v1/people?limit=2&cursor=${first.nextCursor}` })
    ).json<rest.PersonPage>();
    expect(second.items.map(({ name }) => name)).toEqual(['P3', 'P2']);
  });

  it('of another tenant are not there', async () => {
    await cloud.api.database.db.execute(sql`INSERT INTO cloud.tenant (id, created_at) VALUES ('other', now())`);
    const { ids } = await enrolPeople(cloud.api, [{ tenantId: 'other' as TenantId, name: 'Eve' }]);
    const foreign = ids[0] ?? '';
    expect((await cloud.request({ url: `/v1/people/${foreign}` })).statusCode).toBe(404);
    expect((await cloud.request({ url: '/v1/people?limit=500' })).body).not.toContain('Eve');
  });
});

describe('devices', () => {
  const create = (id: string) => cloud.request({ method: 'POST', url: '/v1/devices', payload: { id, siteId: 'gate' } });

  it('are registered once, with credentials that are stored as a digest alone', async () => {
    const response = await create('cam-1');
    expect(response.statusCode).toBe(201);
    const provisioning = response.json<rest.Provisioning>();
    expect(provisioning).toMatchObject({ deviceId: 'cam-1', mqtt: { username: 'default/cam-1' } });
    expect(Buffer.from(provisioning.templateKey.secret, 'base64')).toHaveLength(32);
    expect((await create('cam-1')).json()).toMatchObject({ status: 409, code: 'DEVICE.ALREADY_EXISTS' });
    const { username, password } = provisioning.mqtt;
    const identity = { kind: 'device', tenantId: 'default', deviceId: 'cam-1' };
    expect(await cloud.api.verifyDevice(username, password)).toEqual(identity);
    const dump = await cloud.api.database.db.execute(
      sql`SELECT d::text, k::text FROM cloud.device d, cloud.template_key k`,
    );
    expect(JSON.stringify(dump.rows)).not.toContain(password);
    const secret = Buffer.from(provisioning.templateKey.secret, 'base64').toString('hex');
    expect(JSON.stringify(dump.rows)).not.toContain(secret);
  });

  it.each(['', 'default', 'default/', 'default/nobody', 'other/cam-1', 'default/cam-1/x', '+/#'])(
    'that say they are "%s" are not let in',
    async (username) => {
      expect(await cloud.api.verifyDevice(username, 'guess')).toBeUndefined();
    },
  );

  it('are listed newest first', async () => {
    await create('cam-2');
    const page = (await cloud.request({ url: '/v1/devices?limit=1' })).json<rest.DevicePage>();
    expect(page.items).toEqual([
      expect.objectContaining({ id: 'cam-2', siteId: 'gate', online: false, lastSeenAt: null, release: null }),
    ]);
    const next = (
      await cloud.request({ url: `/v1/devices?limit=1&cursor=${page.nextCursor}` })
    ).json<rest.DevicePage>();
    expect(next.items.map(({ id }) => id)).toEqual(['cam-1']);
  });
});

describe('sightings', () => {
  it('that do not exist are not found', async () => {
    const response = await cloud.request({ url: `/v1/sightings/${newSightingId()}` });
    expect(response.json()).toMatchObject({ status: 404, code: 'SIGHTING.NOT_FOUND' });
  });

  it('are filtered, and paged by the time of first sight', async () => {
    const seed = async (minute: number, outcome: string) => {
      const [id, at] = [newSightingId(), `2026-01-01T00:0${minute}:00Z`];
      await cloud.api.database.db.execute(sql`
        INSERT INTO cloud.sighting VALUES ('default', ${id}, 'cam-1', 'gate', 'door', 'close', 1, ${at}, ${at}, 0, 0, 'b',
          false, 'monotonic', ${at}, 12, 0.5, 3, false, 'left', ${'ab'.repeat(32)}, '', '{}')`);
      await cloud.api.database.db.execute(sql`
        INSERT INTO cloud.identification VALUES ('default', ${id}, 1, ${outcome}, null, 0.1, 0.5, 0.001, null, 2, ${at})`);
      return id;
    };
    const ids = [
      await seed(1, 'unknown'),
      await seed(2, 'refused'),
      await seed(3, 'unknown'),
      await seed(4, 'unknown'),
    ];
    const idsOf = async (query: string) => {
      const page = (await cloud.request({ url: `/v1/sightings?${query}` })).json<rest.SightingPage>();
      return { ids: page.items.map(({ id }) => id), next: page.nextCursor };
    };
    const newest = await idsOf('outcome=unknown&limit=2');
    expect(newest.ids).toEqual([ids[3], ids[2]]);
    expect((await idsOf(`outcome=unknown&limit=2&cursor=${newest.next}`)).ids).toEqual([ids[0]]);
    expect((await idsOf('from=2026-01-01T00:02:00Z&to=2026-01-01T00:03:00Z')).ids).toEqual([ids[1]]);
    const later = await idsOf('outcome=unknown&receivedFrom=2026-01-01T00:03:00Z');
    expect(later.ids).toEqual([ids[3], ids[2]]);
    expect((await idsOf('deviceId=cam-2')).ids).toEqual([]);
    expect((await idsOf(`personId=${newPersonId()}`)).ids).toEqual([]);
  });
});

describe('the service', () => {
  it('says whether it lives and is ready, without a key', async () => {
    expect((await cloud.api.app.inject({ url: '/health/live' })).json()).toEqual({ status: 'ok' });
    const ready = await cloud.api.app.inject({ url: '/health/ready' });
    expect(ready.statusCode).toBe(200);
    expect(ready.json()).toEqual({ status: 'ok' });
  });

  it('documents every route with named schemas', async () => {
    const document = (await cloud.api.app.inject({ url: '/openapi.json' })).json<{
      paths: Record<string, unknown>;
      components: { schemas: Record<string, unknown> };
    }>();
    for (const name of [
      'Person',
      'CreatePerson',
      'EnrolledFace',
      'IdentifyResponse',
      'EmbeddingsResponse',
      'EmbeddedFace',
      'Template',
      'VerifyResponse',
      'SightingPage',
      'Provisioning',
      'Problem',
    ]) {
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference]) => reference);
    const schemas = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect([...new Set(references)].filter((reference = '') => !schemas.includes(reference))).toEqual([]);
    expect((await cloud.api.app.inject({ url: '/docs' })).statusCode).toBe(200);
  });

  it('documents what every operation answers, problems included', async () => {
    const { paths } = (await cloud.api.app.inject({ url: '/openapi.json' })).json<OpenAPIObject>();
    for (const operation of Object.values(paths).flatMap(({ get, post, delete: remove }) => [get, post, remove])) {
      // AsyncAPI has a schema of its own.
      if (operation === undefined || operation.operationId === 'AsyncApiController_get') continue;
      const [success] = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
      expect([operation.operationId, JSON.stringify(success)]).toEqual([
        operation.operationId,
        expect.stringMatching(ANSWER),
      ]);
      expect(JSON.stringify(operation.responses.default)).toContain('#/components/schemas/Problem');
    }
  });

  it('documents bodies, answers, filters and keys as they are on the wire', async () => {
    const { paths, security } = (await cloud.api.app.inject({ url: '/openapi.json' })).json<OpenAPIObject>();
    expect(security).toEqual([{ bearer: [] }]);
    expect(paths['/health/live']?.get?.security).toEqual([]);
    const binary = { schema: { type: 'string', format: 'binary' } };
    for (const path of ['/v1/identify', '/v1/embeddings', '/v1/people/{id}/faces']) {
      expect(paths[path]?.post?.requestBody).toMatchObject({
        content: { 'multipart/form-data': { schema: { required: ['photo'] } }, 'image/jpeg': binary },
      });
    }
    const names = (path: string) =>
      paths[path]?.post?.parameters?.map((parameter) => 'name' in parameter && parameter.name);
    expect([names('/v1/embeddings'), names('/v1/verify')]).toEqual([['codec'], ['falseMatchRate', 'use', 'face']]);
    expect(paths['/v1/verify']?.post?.requestBody).toMatchObject({
      content: { 'multipart/form-data': { schema: { required: ['photo'], oneOf: [{}, {}, {}] } } },
    });
    expect(paths['/v1/sightings/live']?.get?.responses['200']).toMatchObject({ content: { 'text/event-stream': {} } });
    expect(paths['/v1/sightings']?.get?.parameters?.map((parameter) => 'name' in parameter && parameter.name)).toEqual([
      ...['limit', 'cursor', 'deviceId', 'personId', 'outcome', 'from', 'to', 'receivedFrom'],
    ]);
  });
});
