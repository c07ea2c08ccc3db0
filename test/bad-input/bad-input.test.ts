import { toBinary } from '@bufbuild/protobuf';
import { RecordPayloadSchema, TemplateCodec, type rest } from '@sightline/contracts';
import { newSightingId } from '@sightline/kernel';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { HubUnderTest } from './hub-under-test.js';
import { blank, pngOfSize, portrait, twoFaces } from './photos.js';
import { RawDevice, sightingPayload, type RawTemplate } from './raw-device.js';

const DIMENSION = 512;
const OUTCOME = { unknown: 2, refused: 3 };

describe('bad input to a running hub', () => {
  let stand: HubUnderTest;
  let good: Buffer;
  let person: rest.Person;
  let device: RawDevice;
  let victim: RawDevice;
  let goodTemplate: RawTemplate;

  beforeAll(async () => {
    [stand, good] = await Promise.all([HubUnderTest.start(), portrait()]);
    person = await stand.client.createPerson({ name: 'Ada' });
    await stand.client.enrolFace(person.id, good);
    const provisioning = await stand.client.createDevice({ id: 'box-1', siteId: 'gate' });
    device = await RawDevice.connect(provisioning);
    victim = await RawDevice.connect(await stand.client.createDevice({ id: 'box-2', siteId: 'gate' }));
    goodTemplate = {
      modelSpace: (await stand.identify(good)).modelSpace,
      keyId: provisioning.templateKey.keyId,
      codec: TemplateCodec.INT8,
      scale: 1 / Math.sqrt(DIMENSION),
      dimension: DIMENSION,
      data: Uint8Array.from({ length: DIMENSION }, (_, index) => (index % 3 === 0 ? 1 : 255)),
    };
  });

  afterAll(async () => {
    await device.close();
    await victim.close();
    await stand.stop();
  });

  // Whatever came in: a good photo is identified, a good sighting of the same box is taken, nobody has died.
  afterEach(async () => {
    expect((await stand.identify(good)).faces).toMatchObject([{ outcome: 'identified', person: { id: person.id } }]);
    expect((await device.see(goodTemplate)).outcome).toBe(OUTCOME.unknown);
    expect(stand.hub.process.restarts).toBe(0);
  });

  describe('as a photo', () => {
    it.each<[string, string, number, () => Buffer | Promise<Buffer>]>([
      ['a truncated JPEG', 'IMAGE.UNREADABLE', 422, () => good.subarray(0, good.length / 2)],
      ['a JPEG with a broken header', 'IMAGE.UNREADABLE', 422, () => Buffer.from('ffd8ffe000104a464946', 'hex')],
      ['an image of one pixel', 'IMAGE.TOO_SMALL', 422, () => blank(1, 1)],
      ['an image of 20,000 × 20,000 pixels', 'IMAGE.TOO_LARGE', 413, () => pngOfSize(20_000, 20_000)],
      ['a file that is no image', 'IMAGE.UNSUPPORTED_FORMAT', 415, () => Buffer.from('%PDF-1.7 no image at all')],
      ['nothing', 'REQUEST.INVALID', 400, () => Buffer.alloc(0)],
    ])('%s is refused with %s (%i), enrolled and identified', async (_, code, status, make) => {
      const photo = await make();
      for (const path of [`/v1/people/${person.id}/faces`, '/v1/identify']) {
        expect(await stand.send('POST', path, photo)).toMatchObject({ status, body: { status, code } });
      }
      expect(await faces()).toBe(1);
    });

    it.each([
      ['without a face', 'ENROLMENT.NO_FACE', () => blank(640, 480)],
      ['of two faces', 'ENROLMENT.SEVERAL_FACES', twoFaces],
    ])('one %s is refused with %s when it is enrolled, and is no error to identify', async (_, code, make) => {
      const photo = await make();
      const answer = await stand.send('POST', `/v1/people/${person.id}/faces`, photo);
      expect(answer).toMatchObject({ status: 422, body: { status: 422, code } });
      expect((await stand.send('POST', '/v1/identify', photo)).status).toBe(200);
      expect(await faces()).toBe(1);
    });

    const faces = async () => ((await stand.send('GET', `/v1/people/${person.id}`)).body as rest.Person).faces;
  });

  describe('as a template of a box', () => {
    const notANumber = new Uint8Array(2 * DIMENSION).fill(0x10);
    notANumber.set([0x00, 0x7e], 200);
    const half = { codec: TemplateCodec.FLOAT16, scale: 1 };

    it.each<[string, string, Partial<RawTemplate>]>([
      ['with NaN in it', 'TEMPLATE.INVALID', { ...half, data: notANumber }],
      ['with NaN as its scale', 'TEMPLATE.INVALID', { scale: NaN }],
      ['of bytes that are too few', 'TEMPLATE.INVALID', { data: new Uint8Array(7).fill(1) }],
      ['of half the dimension', 'TEMPLATE.WRONG_DIMENSION', { dimension: 256, data: new Uint8Array(256).fill(1) }],
      ['of another model space', 'TEMPLATE.FOREIGN_SPACE', { modelSpace: 'arcface-r100-512' }],
      ['of another key', 'TEMPLATE.FOREIGN_KEY', { keyId: 'ab'.repeat(16) }],
    ])('one %s is acknowledged, and its sighting stored as refused with %s', async (_, code, changes) => {
      const answer = await device.see({ ...goodTemplate, ...changes });
      expect(answer).toMatchObject({ outcome: OUTCOME.refused, refusalCode: code, personId: '' });
      const stored = (await stand.sightingsOf('box-1')).find(({ id }) => id === answer.sightingId);
      expect(stored).toMatchObject({ refusalCode: code, decision: { outcome: 'refused', person: null, score: null } });
    });
  });

  describe('as an MQTT message', () => {
    it('that is no batch is quarantined with its code', async () => {
      const payload = Buffer.from('no protobuf of ours');
      await device.publish('sighting', payload);
      await stand.untilLogged('MQTT.MALFORMED_MESSAGE', 0);
      expect(await stand.quarantined()).toMatchObject([
        { deviceId: 'box-1', code: 'MQTT.MALFORMED_MESSAGE', streamId: null, bytes: payload.length },
      ]);
    });

    it.each([
      ['cannot be read', 'MQTT.MALFORMED_MESSAGE', Buffer.from([0xff, 0xff, 0xff])],
      [
        'says nothing',
        'SIGHTING.INVALID',
        toBinary(RecordPayloadSchema, { $typeName: 'sightline.v1.RecordPayload', body: { case: undefined } }),
      ],
    ])('with a record that %s is acknowledged, and the record quarantined with %s', async (_, code, payload) => {
      const before = (await stand.quarantined()).length;
      await device.send(payload);
      const after = await stand.quarantined();
      expect(after).toHaveLength(before + 1);
      expect(after[0]).toMatchObject({ deviceId: 'box-1', code, bytes: payload.length });
    });

    it.each(['birth', 'status', 'state/reported'] as const)(
      'of the channel %s that is malformed is dropped',
      async (channel) => {
        const before = stand.logged('MQTT.MALFORMED_MESSAGE');
        await device.publish(channel, Buffer.from([0xff, 0xff, 0xff]));
        await stand.untilLogged('MQTT.MALFORMED_MESSAGE', before);
      },
    );

    it.each([
      ['its channel', 'status', 5 * 1024],
      ['any channel, whose bytes are not even buffered,', 'sighting', 8 * 1024 * 1024],
    ] as const)('larger than %s allows costs the connection', async (_, channel, bytes) => {
      const before = stand.logged('MQTT.MESSAGE_TOO_LARGE');
      await device.publishForbidden(device.address, channel, new Uint8Array(bytes));
      await stand.untilLogged('MQTT.MESSAGE_TOO_LARGE', before);
    });

    it("for another device's prefix costs the connection and changes nothing", async () => {
      const quarantined = await stand.quarantined();
      const batch = device.batch(sightingPayload(newSightingId(), goodTemplate));
      await device.publishForbidden(victim.address, 'sighting', batch);
      await device.publishForbidden(victim.address, 'status', new Uint8Array(0));
      await stand.untilLogged('MQTT.FOREIGN_PREFIX', 1);
      expect(await stand.sightingsOf('box-2')).toEqual([]);
      expect(await stand.quarantined()).toEqual(quarantined);
      expect((await victim.see(goodTemplate)).outcome).toBe(OUTCOME.unknown);
    });
  });
});
