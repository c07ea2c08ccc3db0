import type { rest } from '@sightline/contracts';
import { newPersonId, type SpaceId, type TenantId } from '@sightline/kernel';
import { decodeTemplate, type TemplateCodec } from '@sightline/template-protection';
import { sql } from 'drizzle-orm';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { TemplateKeys } from '../template-keys/template-keys.js';
import { enrolPeople } from '../testing/enrol.js';
import { axis, DIMENSION, templateOf as templateOfEmbedding } from '../testing/fake-release.js';
import { multipart, startCloudWithModels, testPhotos, type FormPart, type TestPhotos } from '../testing/photos.js';
import { TENANT, type TestCloud } from '../testing/test-cloud.js';
import { fromRestTemplate } from './wire.js';

const OTHER_TENANT = 'other' as TenantId;

let cloud: TestCloud;
let photos: TestPhotos;

beforeAll(async () => {
  cloud = await startCloudWithModels();
  photos = await testPhotos();
}, 60_000);
afterAll(() => cloud.stop());

const send = (url: string, payload: Buffer, type = 'image/jpeg') =>
  cloud.request({ method: 'POST', url, payload, headers: { 'content-type': type } });

async function embed(photo: Buffer, codec?: TemplateCodec): Promise<rest.EmbeddingsResponse> {
  const response = await send(`/v1/embeddings${codec === undefined ? '' : `?codec=${codec}`}`, photo);
  expect(response.statusCode).toBe(200);
  return response.json<rest.EmbeddingsResponse>();
}

const verify = async (parts: readonly FormPart[], query = '') => {
  const [payload, type] = multipart(parts);
  const response = await send(`/v1/verify${query}`, payload, type);
  return { status: response.statusCode, body: response.json<rest.VerifyResponse & rest.Problem>() };
};

async function enrolled(photo: Buffer): Promise<string> {
  const created = await cloud.request({ method: 'POST', url: '/v1/people', payload: { name: 'Ada' } });
  const { id } = created.json<rest.Person>();
  expect((await send(`/v1/people/${id}/faces`, photo)).statusCode).toBe(201);
  return id;
}

const counts = async () => {
  const { rows } = await cloud.api.database.db.execute(
    sql`SELECT (SELECT count(*)::int FROM cloud.person) people, (SELECT count(*)::int FROM cloud.template) templates,
      (SELECT version::int FROM cloud.gallery_version) version`,
  );
  return rows;
};

describe('embeddings', () => {
  it('are of every face, largest first, protected by the key of the tenant, and nothing of them is kept', async () => {
    const before = await counts();
    const { faces, release, modelSpace, stageMs } = await embed(photos.group);
    const { keyId } = await cloud.api.app.get(TemplateKeys).protector(TENANT, 512);
    expect(faces).toHaveLength(3);
    for (const { box, fivePoints, detectionScore, quality, template } of faces) {
      const { leftEye, rightEye, nose, leftMouthCorner, rightMouthCorner } = fivePoints;
      expect(leftEye.x).toBeLessThan(rightEye.x);
      expect(leftMouthCorner.x).toBeLessThan(rightMouthCorner.x);
      expect(nose.y).toBeGreaterThan(Math.min(leftEye.y, rightEye.y));
      expect(box.x).toBeLessThan(leftEye.x);
      expect(detectionScore).toBeGreaterThan(0.5);
      expect(template).toMatchObject({ modelSpace, keyId, codec: 'float16', scale: 1, dimension: 512, quality });
      expect(template.variantDigest).toMatch(/^[0-9a-f]{64}$/);
      expect(Buffer.from(template.data, 'base64')).toHaveLength(1024);
      expect(Math.hypot(...decodeTemplate(fromRestTemplate(template)))).toBeCloseTo(1, 3);
    }
    expect(faces[0]?.box.width).toBeGreaterThanOrEqual(faces[2]?.box.width ?? 0);
    expect(release).toMatchObject({ version: '1.0.0-test' });
    expect(Object.keys(stageMs).sort()).toEqual(['align', 'decode', 'detect', 'embed', 'landmarks']);
    expect(await counts()).toEqual(before);
  });

  it('come as int8 where a client wants fewer bytes, and in a form too', async () => {
    const [payload, type] = multipart([['photo', photos.portrait]]);
    const response = await send('/v1/embeddings?codec=int8', payload, type);
    const template = response.json<rest.EmbeddingsResponse>().faces[0]?.template;
    expect(template).toMatchObject({ codec: 'int8', dimension: 512 });
    expect(Buffer.from(template?.data ?? '', 'base64')).toHaveLength(512);
  });

  it('of a photo of nobody are none', async () => {
    expect((await embed(photos.empty)).faces).toEqual([]);
  });

  it.each([
    ['?codec=float32', 400, 'REQUEST.INVALID'],
    ['?codecs=int8', 400, 'REQUEST.INVALID'],
  ])('with the query %s are refused', async (query, status, code) => {
    expect((await send(`/v1/embeddings${query}`, photos.portrait)).json()).toMatchObject({ status, code });
  });

  it('of a broken photo are refused', async () => {
    const half = photos.portrait.subarray(0, photos.portrait.length / 2);
    expect((await send('/v1/embeddings', half)).json()).toMatchObject({ status: 422, code: 'IMAGE.UNREADABLE' });
    const [payload, type] = multipart([['picture', photos.portrait]]);
    expect((await send('/v1/embeddings', payload, type)).json()).toMatchObject({ code: 'REQUEST.INVALID' });
  });
});

describe('verification', () => {
  it('matches two photos of one person, and not those of two', async () => {
    const same = await verify([
      ['photo', photos.portrait],
      ['reference', photos.again],
    ]);
    expect(same.status).toBe(200);
    expect(same.body).toMatchObject({
      ...{ outcome: 'matched', refusalCode: null, falseMatchRate: 1e-3 },
      reference: { kind: 'photo', face: { quality: expect.any(Number) as number } },
    });
    expect(same.body.score).toBeGreaterThan(same.body.threshold);
    expect(same.body.face.quality).toBeGreaterThan(0.5);
    const different = await verify([
      ['reference', photos.portrait],
      ['photo', photos.other],
    ]);
    expect(different.body).toMatchObject({ outcome: 'not-matched' });
    expect(different.body.score).toBeLessThan(different.body.threshold);
  });

  it('is held against the bar of the false-match rate that is asked for', async () => {
    const thresholds: number[] = [];
    for (const rate of ['1e-2', '0.003', '1e-5']) {
      const { body } = await verify(
        [
          ['photo', photos.portrait],
          ['reference', photos.other],
        ],
        `?falseMatchRate=${rate}`,
      );
      expect(body.falseMatchRate).toBe(Number(rate));
      thresholds.push(body.threshold);
    }
    expect(thresholds).toEqual([...thresholds].sort((a, b) => a - b));
    expect(new Set(thresholds).size).toBe(3);
  });

  it.each([
    ['1e-9', 422, 'CALIBRATION.RATE_NOT_MEASURED'],
    ['1', 422, 'CALIBRATION.RATE_NOT_MEASURED'],
    ['0', 400, 'REQUEST.INVALID'],
    ['-1', 400, 'REQUEST.INVALID'],
    ['NaN', 400, 'REQUEST.INVALID'],
    ['Infinity', 400, 'REQUEST.INVALID'],
    ['strict', 400, 'REQUEST.INVALID'],
    ['', 400, 'REQUEST.INVALID'],
  ])('at the false-match rate "%s" is refused', async (rate, status, code) => {
    const parts: FormPart[] = [
      ['photo', photos.portrait],
      ['reference', photos.again],
    ];
    expect((await verify(parts, `?falseMatchRate=${rate}`)).body).toMatchObject({ status, code });
  });

  it('compares a photo with an enrolled person, of whose templates the nearest counts', async () => {
    const personId = await enrolled(photos.other);
    const parts: FormPart[] = [
      ['photo', photos.again],
      ['personId', personId],
    ];
    const reference = { kind: 'person', personId };
    expect((await verify(parts)).body).toMatchObject({
      outcome: 'not-matched',
      reference: { ...reference, templates: 1 },
    });
    await send(`/v1/people/${personId}/faces`, photos.portrait);
    const { body } = await verify(parts);
    expect(body).toMatchObject({ outcome: 'matched', reference: { ...reference, templates: 2 } });
    expect(JSON.stringify(body)).not.toContain('Ada');
    const identified = (await send('/v1/identify', photos.again)).json<rest.IdentifyResponse>();
    expect(identified.faces[0]?.score).toBeCloseTo(body.score ?? 0, 3);
  });

  it('compares a photo with a template that embeddings gave out, in text or in JSON', async () => {
    for (const codec of ['int8', 'float16'] as const) {
      const template = JSON.stringify((await embed(photos.again, codec)).faces[0]?.template);
      for (const type of [undefined, 'application/json']) {
        const field = ['template', template, ...(type === undefined ? [] : [type])] as unknown as FormPart;
        const { body } = await verify([['photo', photos.portrait], field]);
        expect(body).toMatchObject({ outcome: 'matched', reference: { kind: 'template' } });
      }
    }
  });
});

describe('verification for a use', () => {
  const parts = (): FormPart[] => [
    ['photo', photos.portrait],
    ['reference', photos.again],
  ];
  async function policy(uses: rest.DecisionPolicy['uses']): Promise<void> {
    const response = await cloud.request({ method: 'PUT', url: '/v1/decision-policy', payload: { uses } });
    expect(response.statusCode).toBe(200);
  }
  afterEach(() => policy({}));

  it('holds the photo against the strictest of the rates that are asked for', async () => {
    await policy({ access: { falsePositiveRate: 1e-5 } });
    expect((await verify(parts(), '?use=access')).body).toMatchObject({ outcome: 'matched', falseMatchRate: 1e-5 });
    expect((await verify(parts(), '?use=access&falseMatchRate=1e-3')).body).toMatchObject({ falseMatchRate: 1e-5 });
    expect((await verify(parts(), '?use=attendance&falseMatchRate=1e-2')).body.falseMatchRate).toBe(1e-3);
    expect((await verify(parts(), '?use=admission')).body).toMatchObject({ status: 400, code: 'REQUEST.INVALID' });
  });

  it('refuses a photo below the quality that the use asks for', async () => {
    await policy({ access: { minimumQuality: 0.999 } });
    const refused = { outcome: 'refused', refusalCode: 'VERIFICATION.LOW_QUALITY', score: null };
    expect((await verify(parts(), '?use=access')).body).toMatchObject(refused);
    expect((await verify(parts(), '?use=general')).body).toMatchObject({ outcome: 'matched', liveScore: null });
  });

  it('requires a live presentation where the use does', async () => {
    await policy({
      access: { presentation: { mode: 'require', liveScore: 1 } },
      attendance: { presentation: { mode: 'require', liveScore: 1e-9 } },
    });
    const refused = (await verify(parts(), '?use=access')).body;
    expect(refused).toMatchObject({ outcome: 'refused', refusalCode: 'PRESENTATION.NOT_LIVE', score: null });
    const { outcome, liveScore } = (await verify(parts(), '?use=attendance')).body;
    expect([outcome, liveScore]).toEqual(['matched', refused.liveScore]);
  });
});

describe('what must not be compared', () => {
  const templateOf = async (changes: Partial<rest.Template> = {}): Promise<FormPart> => {
    const [face] = (await embed(photos.again)).faces;
    return ['template', JSON.stringify({ ...face?.template, ...changes })];
  };

  it.each<[string, Partial<rest.Template>, string]>([
    ['another model space', { modelSpace: 'arcface-r100-512' }, 'TEMPLATE.FOREIGN_SPACE'],
    [
      'another model space with another dimension',
      { modelSpace: 'small', dimension: 2, data: Buffer.alloc(4, 0x33).toString('base64') },
      'TEMPLATE.FOREIGN_SPACE',
    ],
    ['another key', { keyId: 'ab'.repeat(16) }, 'TEMPLATE.FOREIGN_KEY'],
  ])('a template of %s is refused without a score', async (_, changes, refusalCode) => {
    const { status, body } = await verify([['photo', photos.portrait], await templateOf(changes)]);
    expect(status).toBe(200);
    expect(body).toMatchObject({ outcome: 'refused', refusalCode, score: null });
  });

  it.each<[string, Partial<rest.Template>, string]>([
    ['with NaN in it', { data: Buffer.alloc(1024, 0x7e).toString('base64') }, 'TEMPLATE.INVALID'],
    ['of zeros', { data: Buffer.alloc(1024).toString('base64') }, 'TEMPLATE.INVALID'],
    ['of bytes that are too few', { data: 'AAAA' }, 'TEMPLATE.INVALID'],
    [
      'of half the dimension',
      { dimension: 256, data: Buffer.alloc(512, 0x33).toString('base64') },
      'TEMPLATE.WRONG_DIMENSION',
    ],
    ['that is no base64', { data: '***' }, 'REQUEST.INVALID'],
    ['with a quality of 2', { quality: 2 }, 'REQUEST.INVALID'],
  ])('a template %s gets a problem document', async (_, changes, code) => {
    const { body } = await verify([['photo', photos.portrait], await templateOf(changes)]);
    expect(body.code).toBe(code);
    if (code === 'REQUEST.INVALID') expect(body.errors?.[0]?.path).toMatch(/^template\./);
  });

  it.each(['{', 'null', '[]', '"text"', '{"__proto__": {}}'])('a template %j is no template', async (template) => {
    expect(
      (
        await verify([
          ['photo', photos.portrait],
          ['template', template],
        ])
      ).body.code,
    ).toBe('REQUEST.INVALID');
  });

  it('a person of another tenant, nobody, and somebody without a template', async () => {
    await cloud.api.database.db.execute(sql`INSERT INTO cloud.tenant (id, created_at) VALUES (${OTHER_TENANT}, now())`);
    const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
    const outdated = templateOfEmbedding(axis(1), protector, { spaceId: 'space-of-last-year' as SpaceId });
    const { ids } = await enrolPeople(cloud.api, [
      { tenantId: OTHER_TENANT, name: 'Eve' },
      { name: 'Eve' },
      { name: 'Eve', templates: [outdated] },
    ]);
    const [foreign = '', empty = '', old = ''] = ids;
    const answerOf = async (personId: string) =>
      (
        await verify([
          ['photo', photos.portrait],
          ['personId', personId],
        ])
      ).body;
    for (const personId of [foreign, newPersonId()]) {
      expect(await answerOf(personId)).toMatchObject({ status: 404, code: 'PERSON.NOT_FOUND' });
    }
    expect(await answerOf(empty)).toMatchObject({ status: 409, code: 'PERSON.NOT_ENROLLED', detail: /no enrolled/ });
    expect(await answerOf(old)).toMatchObject({ status: 409, code: 'PERSON.NOT_ENROLLED', detail: /other models/ });
    expect(await answerOf('42')).toMatchObject({ status: 400, errors: [{ path: 'personId' }] });
  });
});

describe('a photo that cannot be verified', () => {
  it('because nobody is in it is refused, and named', async () => {
    const { body } = await verify([
      ['photo', photos.portrait],
      ['reference', photos.empty],
    ]);
    expect(body).toMatchObject({ status: 422, code: 'VERIFICATION.NO_FACE' });
    expect(body.detail).toContain('"reference"');
  });

  it('because the face is too small is refused, and named', async () => {
    const tiny = await sharp(photos.portrait).resize(32).png().toBuffer();
    const { body } = await verify([
      ['photo', tiny],
      ['reference', photos.portrait],
    ]);
    expect(body).toMatchObject({ status: 422, code: 'VERIFICATION.LOW_QUALITY' });
    expect(body.detail).toContain('"photo"');
  });

  it('because several people are in it says how many, and the largest is taken when asked for', async () => {
    const parts: FormPart[] = [
      ['photo', photos.group],
      ['reference', photos.portrait],
    ];
    const { body } = await verify(parts);
    expect(body).toMatchObject({ status: 422, code: 'VERIFICATION.SEVERAL_FACES' });
    expect(body.detail).toContain('"photo" shows 3 faces');
    expect((await verify(parts, '?face=largest')).body).toMatchObject({ outcome: 'matched' });
    expect((await verify(parts, '?face=all')).body).toMatchObject({ status: 400, code: 'REQUEST.INVALID' });
  });

  it.each<[string, () => readonly FormPart[]]>([
    ['no reference', () => [['photo', photos.portrait]]],
    ['no photo', () => [['reference', photos.portrait]]],
    ['nothing', () => []],
    [
      'two references',
      () => [
        ['photo', photos.portrait],
        ['reference', photos.again],
        ['personId', newPersonId()],
      ],
    ],
    [
      'the photo twice',
      () => [
        ['photo', photos.portrait],
        ['photo', photos.again],
      ],
    ],
    [
      'another file',
      () => [
        ['photo', photos.portrait],
        ['other', photos.again],
      ],
    ],
    [
      'the person as a file',
      () => [
        ['photo', photos.portrait],
        ['personId', Buffer.from(newPersonId())],
      ],
    ],
    [
      'an empty reference',
      () => [
        ['photo', photos.portrait],
        ['reference', Buffer.alloc(0)],
      ],
    ],
  ])('in a form with %s is refused', async (_, parts) => {
    expect((await verify(parts())).body).toMatchObject({ status: 400, code: 'REQUEST.INVALID' });
  });

  it('in a form with a broken image, a huge one or a field without end is refused', async () => {
    const broken = photos.again.subarray(0, photos.again.length / 2);
    const cases: readonly (readonly [FormPart, string])[] = [
      [['reference', broken], 'IMAGE.UNREADABLE'],
      [['reference', Buffer.from('no picture')], 'IMAGE.UNSUPPORTED_FORMAT'],
      [['reference', Buffer.alloc(20 * 1024 * 1024 + 1)], 'REQUEST.TOO_LARGE'],
      [['template', 'x'.repeat(100_000)], 'REQUEST.TOO_LARGE'],
    ];
    for (const [part, code] of cases) expect((await verify([['photo', photos.portrait], part])).body.code).toBe(code);
  });

  it('as the body itself is refused: one photo verifies nothing', async () => {
    const response = await send('/v1/verify', photos.portrait);
    expect(response.json()).toMatchObject({ status: 415, code: 'REQUEST.UNSUPPORTED_MEDIA_TYPE' });
  });
});
