import { createHash } from 'node:crypto';

import { SightingPhase, type rest } from '@sightline/contracts';
import { newSightingId, type SightingId } from '@sightline/kernel';
import { createTemplateProtector, sealImage } from '@sightline/template-protection';
import type { LightMyRequestResponse } from 'fastify';

import { axis, DIMENSION, templateOf } from './fake-release.js';
import type { TestCloud } from './test-cloud.js';
import { sightingPayload, wireTemplate, type TestDevice } from './test-device.js';

/** A sealed image as a box has it. */
export interface BoxImage {
  readonly sightingId: SightingId;
  readonly jpeg: Uint8Array;
  readonly sealed: Uint8Array;
  readonly digest: string;
}

/** What a box does with images, by hand. */
export class TestImages {
  #sequence = 0;

  constructor(
    private readonly cloud: TestCloud,
    private readonly device: TestDevice,
  ) {}

  /** Turns the images of the box's site on, as it is wanted. */
  enable(wanted: Partial<rest.PutImageSite> = {}): Promise<LightMyRequestResponse> {
    return this.cloud.request({
      method: 'PUT',
      url: '/v1/image-sites/lobby',
      payload: { enabled: true, outcomes: ['ambiguous', 'unknown'], ...wanted },
    });
  }

  /** Sends a sighting of a face along an axis that refers to an image, and waits until the cloud has it. */
  async sight(axisIndex: number): Promise<BoxImage> {
    const { address, provisioning } = this.device;
    const { items } = (await this.cloud.request({ url: '/v1/image-keys' })).json<rest.ImageKeyList>();
    const publicKey = new Uint8Array(Buffer.from(items[0]?.publicKey ?? '', 'base64'));
    const sightingId = newSightingId();
    const jpeg = new Uint8Array(Buffer.from(`a JPEG of ${sightingId}`.padEnd(3000, '.')));
    const sealed = sealImage(jpeg, publicKey, { ...address, sightingId });
    const digest = createHash('sha256').update(sealed).digest('hex');
    const { epoch, secret } = provisioning.templateKey;
    const key = { tenantId: address.tenantId, epoch, secret: new Uint8Array(Buffer.from(secret, 'base64')) };
    const template = templateOf(axis(axisIndex), createTemplateProtector({ ...key, dimension: DIMENSION }));
    const payload = sightingPayload({
      ...{ sightingId, phase: SightingPhase.CLOSE, templates: [wireTemplate(template)] },
      sealedImageDigest: new Uint8Array(Buffer.from(digest, 'hex')),
    });
    this.#sequence += 1;
    await this.device.send([{ sequence: this.#sequence, payload }]);
    await this.device.acked(this.#sequence);
    return { sightingId, jpeg, sealed, digest };
  }

  begin({ digest, sealed }: BoxImage, length = sealed.length): Promise<LightMyRequestResponse> {
    const metadata = `digest ${Buffer.from(digest).toString('base64')}`;
    const headers = { 'upload-length': String(length), 'upload-metadata': metadata };
    return this.request('POST', '/v1/image-uploads', headers);
  }

  state({ digest }: BoxImage): Promise<LightMyRequestResponse> {
    return this.request('HEAD', `/v1/image-uploads/${digest}`);
  }

  append(
    { digest }: BoxImage,
    offset: number,
    bytes: Uint8Array,
    more: Record<string, string> = {},
  ): Promise<LightMyRequestResponse> {
    const headers = { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream', ...more };
    return this.request('PATCH', `/v1/image-uploads/${digest}`, headers, Buffer.from(bytes));
  }

  /** All of it. @returns the last answer */
  async upload(image: BoxImage): Promise<LightMyRequestResponse> {
    const begun = await this.begin(image);
    return begun.statusCode === 201 ? this.append(image, 0, image.sealed) : begun;
  }

  open({ digest }: BoxImage, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
    const payload = { purpose: 'review', reason: 'CASE-7' };
    return this.cloud.request({ method: 'POST', url: `/v1/images/${digest}/open`, payload, headers });
  }

  request(
    method: 'POST' | 'HEAD' | 'PATCH',
    url: string,
    more: Record<string, string> = {},
    payload?: Buffer,
  ): Promise<LightMyRequestResponse> {
    const { username, password } = this.device.provisioning.mqtt;
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const headers = { authorization, 'tus-resumable': '1.0.0', ...more };
    return this.cloud.request({ method, url, headers, ...(payload && { payload }) });
  }
}
