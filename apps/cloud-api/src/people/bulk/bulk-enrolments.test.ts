import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { enrolPeople } from '../../testing/enrol.js';
import { startCloudWithModels, testPhotos, type TestPhotos } from '../../testing/photos.js';
import type { TestCloud } from '../../testing/test-cloud.js';
import { zipOf, type ZipFile } from '../../testing/zip.js';
import { newFileKey } from './enrolment-intake.js';
import { BulkEnrolmentRun } from './bulk-enrolment-run.js';
import { BulkEnrolments } from './bulk-enrolments.js';

let cloud: TestCloud;
let photos: TestPhotos;

beforeAll(async () => {
  cloud = await startCloudWithModels();
  photos = await testPhotos();
}, 60_000);
afterAll(() => cloud.stop());

const BOUNDARY = 'sightline-bulk-boundary';

/** A form of files: field, file name, content. */
function form(files: readonly (readonly [string, string, Buffer | string])[]): readonly [Buffer, string] {
  const parts = files.flatMap(([field, name, content]) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${field}"; filename="${name}"\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
  return [Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]), `multipart/form-data; boundary=${BOUNDARY}`];
}

async function send(payload: Buffer, type: string, query = '') {
  return cloud.request({
    ...{ method: 'POST', url: `/v1/enrolments${query}`, payload },
    headers: { 'content-type': type },
  });
}
const sendZip = (files: readonly ZipFile[], query = '') => send(zipOf(files), 'application/zip', query);
const csv = (rows: readonly string[], head = 'name,photo,externalId,groups'): Buffer =>
  Buffer.from([head, ...rows, ''].join('\n'));

async function ended(id: string): Promise<rest.BulkEnrolment> {
  const read = async () => (await cloud.request({ url: `/v1/enrolments/${id}` })).json<rest.BulkEnrolment>();
  await expect.poll(async () => (await read()).finishedAt, { timeout: 20_000, interval: 50 }).not.toBeNull();
  return read();
}
const rowsOf = async (id: string) =>
  (await cloud.request({ url: `/v1/enrolments/${id}/rows` })).json<rest.EnrolmentRowPage>().items;
const filesOnDisk = () => readdir(join(cloud.config.dataDirectory, 'enrolments'));

describe('an enrolment in bulk', () => {
  it('enrols the people of a table, says what became of each row, and leaves no file', async () => {
    const small = await sharp(photos.portrait).resize(40).jpeg().toBuffer();
    const response = await sendZip([
      {
        name: 'staff/people.csv',
        content: csv([
          'Ada,ada.jpg,E-1,staff;night',
          'Grace,./more/grace.jpg,E-2,',
          'Ada,again.jpg,E-1,',
          ',nobody.jpg,,',
          'Lost,none.jpg,,',
          'Text,text.jpg,,',
          'Small,small.jpg,,',
          'Crowd,group.jpg,,',
          'Slip,../../../etc/passwd,,',
          'Bomb,bomb.jpg,,',
          'Liar,liar.jpg,,',
          'Twice,twice.jpg,,',
        ]),
      },
      { name: 'staff/ada.jpg', content: photos.portrait },
      { name: 'staff/more/grace.jpg', content: photos.other, deflated: true },
      { name: 'staff/again.jpg', content: photos.again },
      { name: 'staff/nobody.jpg', content: photos.empty },
      { name: 'staff/text.jpg', content: Buffer.from('no picture') },
      { name: 'staff/small.jpg', content: small },
      { name: 'staff/group.jpg', content: photos.group },
      { name: '../../../etc/passwd', content: photos.portrait },
      { name: 'staff/bomb.jpg', content: Buffer.alloc(21 * 1024 * 1024), deflated: true },
      { name: 'staff/liar.jpg', content: Buffer.alloc(1024 * 1024), deflated: true, claimedSize: 1000 },
      { name: 'staff/twice.jpg', content: photos.portrait },
      { name: 'staff/twice.jpg', content: photos.other },
      { name: '__MACOSX/staff/._people.csv', content: Buffer.from('resource fork') },
    ]);
    expect(response.statusCode).toBe(202);
    const { id, rows } = response.json<rest.BulkEnrolment>();
    expect(rows).toBe(12);
    expect(await ended(id)).toMatchObject({ state: 'done', rows: 12, enrolled: 3, refused: 9, failureCode: null });
    const results = await rowsOf(id);
    expect(results.map(({ row, code }) => [row, code])).toEqual([
      [1, null],
      [2, null],
      [3, null],
      [4, 'ENROLMENT.BAD_ROW'],
      [5, 'ENROLMENT.PHOTO_MISSING'],
      [6, 'IMAGE.UNSUPPORTED_FORMAT'],
      [7, 'ENROLMENT.LOW_QUALITY'],
      [8, 'ENROLMENT.SEVERAL_FACES'],
      [9, 'ENROLMENT.PHOTO_MISSING'],
      [10, 'REQUEST.TOO_LARGE'],
      [11, 'ENROLMENT.BAD_ARCHIVE'],
      [12, 'ENROLMENT.PHOTO_AMBIGUOUS'],
    ]);
    // Two rows of one external id are one person.
    expect(results[2]?.personId).toBe(results[0]?.personId);
    const ada = (await cloud.request({ url: '/v1/people?externalId=E-1' })).json<rest.PersonPage>().items;
    expect(ada).toMatchObject([{ name: 'Ada', faces: 2, groups: ['night', 'staff'] }]);
    const identified = await cloud.request({
      ...{ method: 'POST', url: '/v1/identify', payload: photos.other },
      headers: { 'content-type': 'image/jpeg' },
    });
    expect(identified.json()).toMatchObject({ faces: [{ person: { name: 'Grace' } }] });
    expect(await filesOnDisk()).toEqual([]);
    const table = await cloud.request({ url: `/v1/enrolments/${id}/rows.csv` });
    expect(table.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(table.body.split('\n')).toHaveLength(14);
    expect(table.body).toContain('\n5,refused,ENROLMENT.PHOTO_MISSING,,\n');
    expect(table.body).not.toContain('Ada');
  });

  it('is about nobody of another tenant, whomever its rows name', async () => {
    const tenantId = 'other' as TenantId;
    await cloud.api.database.pool.query(`INSERT INTO cloud.tenant (id, created_at) VALUES ('other', now())`);
    const { ids } = await enrolPeople(cloud.api, [{ tenantId, name: 'Eve', externalId: 'F-1' }]);
    const files = [
      { name: 'people.csv', content: csv(['Eve,eve.jpg,F-1,']) },
      { name: 'eve.jpg', content: photos.again },
    ];
    for (const query of ['', '?existing=add']) {
      const { id } = (await sendZip(files, query)).json<rest.BulkEnrolment>();
      await ended(id);
      const [row] = await rowsOf(id);
      expect(row).toMatchObject({ code: null, personId: expect.any(String) as string });
      expect(ids).not.toContain(row?.personId);
    }
    const { rows } = await cloud.api.database.pool.query(`SELECT FROM cloud.template WHERE tenant_id = 'other'`);
    expect(rows).toEqual([]);
  });

  it('comes as a form too, and refuses a person who was there before unless they are to get the photo', async () => {
    const table = csv(['Ada,a.jpg,E-1,', 'Fresh,b.jpg,,', 'Fresh again,c.jpg,,']);
    const lighter = await sharp(photos.again).modulate({ brightness: 1.1 }).jpeg().toBuffer();
    const [payload, type] = form([
      ['people', 'people.csv', table],
      ['photos', 'a.jpg', photos.again],
      ['photos', 'b.jpg', lighter],
      ['photos', 'c.jpg', lighter],
    ]);
    const first = (await send(payload, type)).json<rest.BulkEnrolment>();
    expect(await ended(first.id)).toMatchObject({ state: 'done', enrolled: 1, refused: 2 });
    const codes = (await rowsOf(first.id)).map(({ code }) => code);
    expect(codes[0]).toBe('PERSON.DUPLICATE_EXTERNAL_ID');
    expect(codes.slice(1).toSorted()).toEqual(['ENROLMENT.DUPLICATE_PHOTO', null]);
    const second = (await send(payload, type, '?existing=add')).json<rest.BulkEnrolment>();
    await ended(second.id);
    expect((await rowsOf(second.id))[0]).toMatchObject({ outcome: 'enrolled', code: null });
    const ada = (await cloud.request({ url: '/v1/people?externalId=E-1' })).json<rest.PersonPage>().items;
    expect(ada).toMatchObject([{ faces: 3 }]);
  });

  const one = { name: 'people.csv', content: csv(['Ada,a.jpg,,']) };
  const zip = (content: Buffer) => zipOf([{ ...one, content }]);
  const [cut, type] = form([['people', 'p.csv', one.content]]);
  it.each<readonly [string, Buffer, string, string]>([
    ['is no archive', Buffer.from('no zip at all'), 'application/zip', 'ENROLMENT.BAD_ARCHIVE'],
    ['is nothing', Buffer.alloc(0), 'application/zip', 'ENROLMENT.BAD_ARCHIVE'],
    ['is half an archive', zipOf([one]).subarray(0, -30), 'application/zip', 'ENROLMENT.BAD_ARCHIVE'],
    ['is an empty archive', zipOf([]), 'application/zip', 'ENROLMENT.BAD_ARCHIVE'],
    ['has two tables', zipOf([one, { ...one, name: 'other.csv' }]), 'application/zip', 'ENROLMENT.BAD_ARCHIVE'],
    ['has a table without photos', zip(csv(['Ada'], 'name')), 'application/zip', 'ENROLMENT.BAD_TABLE'],
    ['has a column of its own', zip(csv([], 'name,photo,group')), 'application/zip', 'ENROLMENT.BAD_TABLE'],
    ['has an open quote', zip(csv(['"Ada,a.jpg'])), 'application/zip', 'ENROLMENT.BAD_TABLE'],
    ['is in Latin-1', zip(Buffer.from('name,photo\nZo\xeb,a.jpg', 'latin1')), 'application/zip', 'ENROLMENT.BAD_TABLE'],
    ['is a form without a table', ...form([['photos', 'a.jpg', 'one']]), 'REQUEST.INVALID'],
    [
      'is a form with an archive and a photo',
      ...form([
        ['archive', 'a.zip', zipOf([one])],
        ['photos', 'a.jpg', 'one'],
      ]),
      'REQUEST.INVALID',
    ],
    [
      'is a form with two photos of one name',
      ...form([
        ['people', 'p.csv', one.content],
        ['photos', 'a.jpg', 'one'],
        ['photos', 'a.jpg', 'two'],
      ]),
      'REQUEST.INVALID',
    ],
    ['is half a form', cut.subarray(0, -40), type, 'REQUEST.INVALID'],
    ['is JSON', Buffer.from('{}'), 'application/json', 'REQUEST.UNSUPPORTED_MEDIA_TYPE'],
  ])('that %s is refused as a whole', async (_, payload, contentType, code) => {
    expect((await send(payload, contentType)).json()).toMatchObject({ code });
    expect(await filesOnDisk()).toEqual([]);
  });

  it('lies sealed until it ends, and is cancelled for good', async () => {
    const { api } = cloud;
    const enrolments = api.app.get(BulkEnrolments);
    const { tenantId } = cloud.config;
    const { database } = api;
    const [key, fileKey] = [{ tenantId, id: '0193d1b0-0000-7000-8000-000000000001' }, newFileKey()];
    const files = enrolments.filesOf(key, fileKey);
    await files.create();
    const { Readable } = await import('node:stream');
    await files.writeTable(Readable.from([csv(['Marker Person,a.jpg,,'])]));
    await files.writePhoto('a.jpg', Readable.from([photos.portrait]));
    const onDisk = await readFile(join(files.directory, 'table'));
    expect(onDisk.includes('Marker')).toBe(false);
    await database.pool.query(
      `INSERT INTO cloud.enrolment (tenant_id, id, state, existing, rows, wrapped_key, created_at)
       VALUES ($1, $2, 'waiting', 'refuse', 1, '\\x00', now())`,
      [tenantId, key.id],
    );
    const cancelled = await cloud.request({ method: 'POST', url: `/v1/enrolments/${key.id}/cancel` });
    expect(cancelled.json()).toMatchObject({ state: 'cancelled', enrolled: 0 });
    expect(await files.exists()).toBe(false);
    await api.app.get(BulkEnrolmentRun).run({ data: key, signal: new AbortController().signal });
    expect(await rowsOf(key.id)).toEqual([]);
    const missing = await cloud.request({ url: '/v1/enrolments/0193d1b0-0000-7000-8000-000000000009' });
    expect(missing.json()).toMatchObject({ code: 'ENROLMENT.NOT_FOUND' });
    const { items } = (await cloud.request({ url: '/v1/enrolments' })).json<rest.BulkEnrolmentPage>();
    expect(items.map(({ state }) => state)).toContain('cancelled');
  });
});
