import { createPublicKey, verify } from 'node:crypto';

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DeviceBirthSchema,
  DeviceStatusSchema,
  GalleryDeltaBodySchema,
  GalleryDeltaSchema,
  GalleryReceiptSchema,
  topicOf,
  type GalleryDeltaBody,
} from '@sightline/contracts';

import { RELEASE_DIGEST, SPACE } from './fake-release.js';
import type { TestDevice } from './test-device.js';

/** A box's local cache, as far as the contract goes: takes deltas in order, and answers each. */
export class TestBoxCache {
  readonly deltas: GalleryDeltaBody[] = [];
  readonly people = new Map<string, GalleryDeltaBody['people'][number]>();
  cacheId = '';
  version = 0;
  expiresAtMs = 0;
  /** What a delta is answered with instead of being taken; 'silence': nothing. */
  refuses: string | undefined;
  /** More are refused as too many. */
  takesPeople = Number.POSITIVE_INFINITY;
  readonly #device: TestDevice;
  #sessions = 0;

  private constructor(device: TestDevice) {
    this.#device = device;
  }

  static async of(device: TestDevice): Promise<TestBoxCache> {
    const cache = new TestBoxCache(device);
    await device.connection.subscribe(topicOf(device.address, 'gallery'), async ({ payload }) => cache.#take(payload));
    return cache;
  }

  async born(
    changes: { readonly modelSpace?: string; readonly keyId?: string; readonly maximumTemplates?: number } = {},
  ): Promise<void> {
    this.#sessions += 1;
    const { keyId = this.#device.provisioning.templateKey.keyId } = changes;
    const birth = create(DeviceBirthSchema, {
      ...{ schemaVersion: 1, sessionId: `s${this.#sessions}`, agentVersion: '0.1.0', keyId },
      running: { version: '1.0.0', digest: RELEASE_DIGEST, modelSpace: changes.modelSpace ?? SPACE },
      ...{ galleryCacheId: this.cacheId, galleryVersion: BigInt(this.version) },
      galleryMaximumTemplates: changes.maximumTemplates ?? 100,
    });
    await this.#device.publish(toBinary(DeviceBirthSchema, birth), 'birth');
  }

  async dies(): Promise<void> {
    const status = create(DeviceStatusSchema, { schemaVersion: 1, sessionId: `s${this.#sessions}`, online: false });
    await this.#device.publish(toBinary(DeviceStatusSchema, status), 'status');
  }

  /** Forgets everything, as a box with another disk. */
  lose(): void {
    this.people.clear();
    this.cacheId = '';
    this.version = 0;
  }

  async receipt(receipt: { correlationId?: string; erasureIds?: string[]; error?: string } = {}): Promise<void> {
    const { cacheId, version } = this;
    const message = create(GalleryReceiptSchema, { schemaVersion: 1, cacheId, version: BigInt(version), ...receipt });
    await this.#device.connection.publish(
      topicOf(this.#device.address, 'gallery/receipt'),
      toBinary(GalleryReceiptSchema, message),
    );
  }

  async #take(payload: Uint8Array): Promise<void> {
    const { body: bytes, signature, correlationId, signingKeyId } = fromBinary(GalleryDeltaSchema, payload);
    const { gallery } = this.#device.provisioning;
    const key = createPublicKey({ key: Buffer.from(gallery?.signingKey ?? '', 'base64'), format: 'der', type: 'spki' });
    if (signingKeyId !== gallery?.signingKeyId || !verify(null, bytes, key, signature)) throw new Error('not signed');
    const body = fromBinary(GalleryDeltaBodySchema, bytes);
    this.deltas.push(body);
    if (this.refuses === 'silence') return;
    const error = this.refuses ?? this.#apply(body);
    const erasureIds = body.tombstones.flatMap(({ erasureId }) => (erasureId === '' ? [] : [erasureId]));
    await this.receipt({ correlationId, error, erasureIds: this.refuses === undefined ? erasureIds : [] });
  }

  #apply(body: GalleryDeltaBody): string {
    const [from, to] = [Number(body.fromVersion), Number(body.toVersion)];
    if (body.cacheId !== this.cacheId) {
      if (from !== 0) return 'CACHE.GAP';
      this.people.clear();
      this.version = 0;
      this.cacheId = body.cacheId;
    }
    for (const { personId } of body.tombstones) this.people.delete(personId);
    if (from !== this.version) return to <= this.version ? '' : 'CACHE.GAP';
    if (this.people.size + body.people.length > this.takesPeople) return 'CACHE.FULL';
    for (const person of body.people) this.people.set(person.personId, person);
    this.version = to;
    this.expiresAtMs = Number(body.lease?.expiresAtMs ?? 0);
    return '';
  }
}
