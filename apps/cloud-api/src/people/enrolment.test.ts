import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { crc32, deflateSync } from 'node:zlib';

import type { rest } from '@sightline/contracts';
import { newPersonId } from '@sightline/kernel';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { multipart, startCloudWithModels, testPhotos } from '../testing/photos.js';
import { ADMIN_KEY, type TestCloud } from '../testing/test-cloud.js';

let cloud: TestCloud;
let photo: Buffer;
let portrait: Buffer;

beforeAll(async () => {
  cloud = await startCloudWithModels();
  ({ group: photo, portrait } = await testPhotos());
}, 60_000);
afterAll(() => cloud.stop());

async function addPerson(name: string): Promise<string> {
  const response = await cloud.request({ method: 'POST', url: '/v1/people', payload: { name } });
  return response.json<rest.Person>().id;
}

const send = (url: string, payload: Buffer, type = 'image/jpeg') =>
  cloud.request({ method: 'POST', url, payload, headers: { 'content-type': type } });

async function identify(picture: Buffer): Promise<rest.IdentifyResponse> {
  const response = await send('/v1/identify', picture);
  expect(response.statusCode).toBe(200);
  return response.json<rest.IdentifyResponse>();
}

/** A sound PNG, one bit a pixel: small as a file, enormous once decoded. */
function hugePng(side: number): Buffer {
  const chunk = (type: string, content: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), content]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(content.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1;
  const rows = Buffer.alloc(side * (1 + side / 8));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('enrolment', () => {
  it('makes a person known by their photo, and nobody else', async () => {
    const id = await addPerson('Ada');
    const response = await send(`/v1/people/${id}/faces`, portrait);
    expect(response.statusCode).toBe(201);
    const enrolled = response.json<rest.EnrolledFace>();
    expect(enrolled).toMatchObject({ personId: id });
    expect(enrolled.quality).toBeGreaterThan(0.7);
    expect((await cloud.request({ url: `/v1/people/${id}` })).json()).toMatchObject({ faces: 1 });

    const { faces, release, modelSpace, stageMs } = await identify(photo);
    expect(faces.map(({ outcome, person }) => [outcome, person?.name])).toEqual([
      ['identified', 'Ada'],
      ['unknown', undefined],
      ['unknown', undefined],
    ]);
    expect(faces[0]?.score).toBeGreaterThan(0.8);
    expect(faces[0]?.candidates).toEqual([{ personId: id, name: 'Ada', score: faces[0]?.score }]);
    expect(faces[0]).toMatchObject({ falseMatchRate: 1e-3, threshold: expect.closeTo(0.335, 2) as number });
    expect(release).toMatchObject({ version: '1.0.0-test' });
    expect(modelSpace).toBe(enrolled.modelSpace);
    expect(Object.keys(stageMs).sort()).toEqual(['align', 'decode', 'detect', 'embed', 'identify', 'landmarks']);

    const darker = await sharp(portrait).modulate({ brightness: 0.6 }).rotate(4).resize(220).webp().toBuffer();
    const other = (await send('/v1/identify', darker, 'image/webp')).json<rest.IdentifyResponse>();
    expect(other.faces[0]).toMatchObject({ outcome: 'identified', person: { id, name: 'Ada' } });

    expect((await cloud.request({ method: 'DELETE', url: `/v1/people/${id}` })).statusCode).toBe(204);
    expect((await identify(portrait)).faces[0]).toMatchObject({ outcome: 'unknown', person: null, candidates: [] });
    const { rows } = await cloud.api.database.pool.query('SELECT id FROM cloud.template');
    expect(rows).toEqual([]);
  });

  it('takes the photo as the form field "photo" too, and several photos of a person', async () => {
    const id = await addPerson('Grace');
    const [payload, type] = multipart([['photo', portrait]]);
    expect((await send(`/v1/people/${id}/faces`, payload, type)).statusCode).toBe(201);
    const png = await sharp(portrait).png().toBuffer();
    expect((await send(`/v1/people/${id}/faces`, png, 'image/png')).statusCode).toBe(201);
    expect((await cloud.request({ url: `/v1/people/${id}` })).json()).toMatchObject({ faces: 2 });
    expect((await identify(portrait)).faces[0]?.candidates).toHaveLength(1);
    await cloud.request({ method: 'DELETE', url: `/v1/people/${id}` });
  });

  it('of somebody who does not exist is refused', async () => {
    const response = await send(`/v1/people/${newPersonId()}/faces`, portrait);
    expect(response.json()).toMatchObject({ status: 404, code: 'PERSON.NOT_FOUND' });
  });
});

describe('a photo that cannot be used', () => {
  const blank = { channels: 3 as const, background: '#888' };
  const cases: readonly (readonly [string, string, number, () => Promise<Buffer>])[] = [
    [
      'without a face',
      'ENROLMENT.NO_FACE',
      422,
      () =>
        sharp({ create: { ...blank, width: 400, height: 300 } })
          .jpeg()
          .toBuffer(),
    ],
    ['of several people', 'ENROLMENT.SEVERAL_FACES', 422, async () => photo],
    ['of a face of 20 pixels', 'ENROLMENT.LOW_QUALITY', 422, () => sharp(portrait).resize(40).jpeg().toBuffer()],
    ['that ends half-way', 'IMAGE.UNREADABLE', 422, async () => portrait.subarray(0, portrait.length / 2)],
    ['that is a text', 'IMAGE.UNSUPPORTED_FORMAT', 415, async () => Buffer.from('no picture, whatever its name says')],
    [
      'of one pixel',
      'IMAGE.TOO_SMALL',
      422,
      () =>
        sharp({ create: { ...blank, width: 1, height: 1 } })
          .png()
          .toBuffer(),
    ],
    ['of 400 million pixels', 'IMAGE.TOO_LARGE', 413, async () => hugePng(20_000)],
    ['of more bytes than allowed', 'REQUEST.TOO_LARGE', 413, async () => Buffer.alloc(20 * 1024 * 1024 + 1)],
    ['without bytes', 'REQUEST.INVALID', 400, async () => Buffer.alloc(0)],
  ];

  it.each(cases)('(%s) is refused with %s', async (_, code, status, make) => {
    const id = await addPerson('Nobody');
    const response = await send(`/v1/people/${id}/faces`, await make());
    expect(response.json()).toMatchObject({ status, code });
    expect((await cloud.request({ url: `/v1/people/${id}` })).json()).toMatchObject({ faces: 0 });
  });

  it('in a form is refused as well, and everything keeps running', async () => {
    const forms: readonly (readonly [readonly (readonly [string, Buffer])[], string])[] = [
      [[['picture', portrait]], 'REQUEST.INVALID'],
      [
        [
          ['photo', portrait],
          ['photo', portrait],
        ],
        'REQUEST.',
      ],
      [[], 'REQUEST.INVALID'],
      [[['photo', Buffer.alloc(20 * 1024 * 1024 + 1)]], 'REQUEST.TOO_LARGE'],
    ];
    for (const [parts, code] of forms) {
      const [payload, type] = multipart(parts);
      expect((await send('/v1/identify', payload, type)).json<rest.Problem>().code).toMatch(code);
    }
    expect((await send('/v1/identify', Buffer.from('{}'), 'application/json')).json()).toMatchObject({
      code: 'REQUEST.UNSUPPORTED_MEDIA_TYPE',
    });
    expect((await identify(portrait)).faces).toHaveLength(1);
  });

  it.each([
    ['without a boundary', 'multipart/form-data', 'abc'],
    ['with an empty boundary', 'multipart/form-data; boundary=', 'abc'],
    ['that has no part', 'multipart/form-data; boundary=x', 'abc'],
    ['that ends in a header', 'multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="pho'],
    [
      'that ends in the photo',
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\nabc',
    ],
    [
      'with a field in the place of the file',
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\nabc\r\n--x--\r\n',
    ],
  ])('in a form %s is refused', async (_, type, form) => {
    const response = await send('/v1/identify', Buffer.from(form), type);
    expect(response.json()).toMatchObject({ status: 400, code: 'REQUEST.INVALID' });
  });

  it('of more than 20 MiB, or of nothing, is refused', async () => {
    expect((await send('/v1/identify', Buffer.alloc(20 * 1024 * 1024 + 1))).json()).toMatchObject({
      code: 'REQUEST.TOO_LARGE',
    });
    expect((await send('/v1/identify', Buffer.alloc(0))).json()).toMatchObject({ code: 'REQUEST.INVALID' });
  });

  it.each([
    ['with its length', true],
    ['in chunks', false],
  ])('that is too large (sent %s) leaves its connection usable', async (_, hasLength) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const post = async (body: Buffer) => {
      const request = httpRequest(new URL('/v1/identify', cloud.api.url), {
        ...{ method: 'POST', agent },
        headers: {
          authorization: `Bearer ${ADMIN_KEY}`,
          'content-type': 'image/jpeg',
          ...(hasLength && { 'content-length': body.length }),
        },
      });
      request.end(body);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      await response.toArray();
      return response.statusCode;
    };
    expect(await post(Buffer.alloc(21 * 1024 * 1024))).toBe(413);
    expect(await post(portrait)).toBe(200);
    agent.destroy();
  });

  it('that arrives slowly holds up nobody', async () => {
    const { hostname, port } = new URL(cloud.api.url);
    const head = `POST /v1/identify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_KEY}\r\nContent-Type: image/jpeg`;
    const slow = Array.from({ length: 100 }, () =>
      connect(Number(port), hostname, function (this: Socket) {
        this.write(`${head}\r\nContent-Length: ${portrait.length}\r\n\r\n`);
        this.write(portrait.subarray(0, 100));
      }),
    );
    await Promise.all(slow.map((socket) => once(socket, 'connect')));
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'image/jpeg' };
    const response = await fetch(new URL('/v1/identify', cloud.api.url), {
      ...{ method: 'POST', headers },
      body: new Uint8Array(portrait),
    });
    expect(response.status).toBe(200);
    for (const socket of slow) socket.destroy();
  });

  it('is no error to identify when it shows nobody', async () => {
    const empty = await sharp({ create: { ...blank, width: 400, height: 300 } })
      .jpeg()
      .toBuffer();
    expect((await identify(empty)).faces).toEqual([]);
  });
});
