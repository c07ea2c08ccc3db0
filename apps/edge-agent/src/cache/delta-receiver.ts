import { createPublicKey, verify, type KeyObject } from 'node:crypto';

import { create, fromBinary } from '@bufbuild/protobuf';
import {
  GalleryDeltaBodySchema,
  GalleryReceiptSchema,
  SCHEMA_VERSION,
  type GalleryDelta,
  type GalleryDeltaBody,
  type GalleryReceipt,
} from '@sightline/contracts';
import { AppError, isAppError, isUuid, type KeyId, type Logger, type PersonId } from '@sightline/kernel';

import type { DeviceClock } from '../device-clock.js';
import type { CacheContent } from './cache-content.js';
import type { Belonging, CacheHead } from './cache-head.js';
import type { CacheChange, Erasure } from './cache-store.js';
import { assertSameBelonging, belongingOf } from './held-people.js';
import { judgeDelta, type CacheRefusal, type DeltaVerdict } from './judge-delta.js';

export interface DeltaCounts {
  readonly applied: number;
  /** Came twice or late: nothing was to be done. */
  readonly repeated: number;
  /** By code. */
  readonly refused: Readonly<Partial<Record<CacheRefusal, number>>>;
  /** Tombstones of erasures that were answered: nothing of those people is here. */
  readonly erasures: number;
}

export interface DeltaReceiverOptions {
  readonly content: CacheContent;
  readonly tenantId: string;
  readonly deviceId: string;
  /** As the box was provisioned with it: SPKI, DER, base64. */
  readonly signingKey: string;
  readonly signingKeyId: string;
  /** The tenant's template key of this box. */
  readonly keyId: () => KeyId;
  /** Where templates of the release that runs belong; undefined while none runs. */
  readonly runningSpace: () => Belonging | undefined;
  readonly maximumTemplates: number;
  /** A time that the cloud states, and that has passed. */
  readonly observeTime: (atLeastMs: number) => void;
  readonly deviceClock: Pick<DeviceClock, 'deviceTime'>;
  readonly log: Logger;
}

type Outcome = 'applied' | 'repeated' | CacheRefusal;
type Apply = Extract<DeltaVerdict, { kind: 'apply' }>;

/** Takes deltas: checks, applies and answers them. */
export class DeltaReceiver {
  readonly #options: DeltaReceiverOptions;
  readonly #signingKey: KeyObject;
  #counts: DeltaCounts = { applied: 0, repeated: 0, refused: {}, erasures: 0 };

  /** @throws AppError `CONFIG.INVALID` when the signing key is none of Ed25519 */
  constructor(options: DeltaReceiverOptions) {
    this.#options = options;
    this.#signingKey = signingKeyOf(options.signingKey);
  }

  get counts(): DeltaCounts {
    return this.#counts;
  }

  /**
   * Does what a delta says, and nothing when it is not to be trusted, belongs to another box, or does not follow what
   * is held. Erasures are carried out whatever else is wrong with it, once its signature is right. Blocks for the disk.
   *
   * @returns what is held now, durably
   */
  take(delta: GalleryDelta): GalleryReceipt {
    const { content, log } = this.#options;
    let erasures: readonly Erasure[] = [];
    let outcome: Outcome;
    try {
      const body = this.#verified(delta);
      erasures = erasuresOf(body);
      outcome = this.#follow(body, erasures);
    } catch (cause) {
      if (!content.isGone) erasures = [];
      outcome = refusalOf(cause);
    }
    this.#count(outcome, erasures.length);
    const error = outcome === 'applied' || outcome === 'repeated' ? undefined : outcome;
    if (error) log.warn({ code: error }, 'a change of the local cache was not taken');
    return this.#receipt({ correlationId: delta.correlationId, erasures, error });
  }

  /** Erasures that happened before the connection was lost, or before this start. */
  pendingReceipt(): GalleryReceipt | undefined {
    const erasureIds = this.#options.content.erasuresToReceipt();
    if (erasureIds.length === 0) return undefined;
    return this.#receipt({ correlationId: '', erasures: erasureIds.map((erasureId) => ({ erasureId })) });
  }

  #verified({ body, signature, signingKeyId }: GalleryDelta): GalleryDeltaBody {
    const { tenantId, deviceId, signingKeyId: known } = this.#options;
    if (signingKeyId !== known || !verify(null, body, this.#signingKey, signature)) {
      throw new AppError('CACHE.BAD_SIGNATURE', 'The delta is not signed by the key that the box was given.');
    }
    const decoded = decode(body);
    if (decoded.tenantId !== tenantId || decoded.deviceId !== deviceId) {
      throw new AppError('CACHE.FOREIGN_DEVICE', 'The delta is another box’s.');
    }
    return decoded;
  }

  #follow(body: GalleryDeltaBody, erasures: readonly Erasure[]): Outcome {
    const { content, observeTime } = this.#options;
    if (body.lease) observeTime(Number(body.lease.issuedAtMs));
    content.open();
    if (!content.isAvailable) throw new AppError('CACHE.UNAVAILABLE', 'There is no local cache at the moment.');
    const verdict = this.#judge(body);
    if (verdict.kind === 'apply') {
      content.apply({ ...this.#change(body, verdict), erasures });
      return 'applied';
    }
    const head = verdict.kind === 'repeated' ? verdict.head : content.head;
    const unknown = erasures.filter(({ personId }) => !content.wasErased(personId));
    if (head !== content.head || unknown.length > 0) content.apply(erasing(head, unknown));
    return verdict.kind === 'refused' ? verdict.code : 'repeated';
  }

  #judge(body: GalleryDeltaBody): DeltaVerdict {
    const verdict = judgeDelta(body, this.#options.content.head);
    if (verdict.kind !== 'apply') return verdict;
    try {
      const belonging = this.#belonging(body, verdict);
      return { ...verdict, head: { ...verdict.head, belonging } };
    } catch (error) {
      return { kind: 'refused', code: refusalOf(error) };
    }
  }

  /**
   * Checks the templates of a delta.
   *
   * @returns where all that would be held belongs
   * @throws AppError `CACHE.INVALID`, `CACHE.FOREIGN_…`, `CACHE.FULL`
   */
  #belonging(body: GalleryDeltaBody, { begins, head }: Apply): CacheHead['belonging'] {
    const { content, keyId, runningSpace, maximumTemplates } = this.#options;
    if (body.tombstones.some(({ personId }) => !isUuid(personId))) {
      throw new AppError('CACHE.INVALID', 'The id of a person is not valid.');
    }
    const belonging = belongingOf(body.people);
    const held = begins ? undefined : content.people;
    if (belonging) {
      assertSameBelonging(belonging, runningSpace() ?? { ...belonging, keyId: keyId() });
      if (held && held.people > 0) assertSameBelonging(belonging, held.belonging);
    }
    const changed = [...body.tombstones, ...body.people].map(({ personId }) => personId as PersonId);
    const going = [...new Set(changed)].reduce((sum, personId) => sum + (held?.templatesOf(personId) ?? 0), 0);
    const coming = body.people.reduce((sum, { templates }) => sum + templates.length, 0);
    if ((held?.templates ?? 0) - going + coming > maximumTemplates) {
      throw new AppError('CACHE.FULL', 'The delta holds more templates than the box takes.');
    }
    return belonging ?? head.belonging;
  }

  #change(body: GalleryDeltaBody, { head, begins }: Apply): Omit<CacheChange, 'erasures'> {
    const { content } = this.#options;
    const erased = new Set(erasuresOf(body).map(({ personId }) => personId));
    const mayCome = (personId: string): boolean => !erased.has(personId) && !content.wasErased(personId);
    const people = new Map(body.people.map((person) => [person.personId, person]));
    const put = [...people.values()].filter(({ personId, templates }) => templates.length > 0 && mayCome(personId));
    const empty = [...people.values()].filter(({ templates }) => templates.length === 0);
    const removed = [...body.tombstones, ...empty].map(({ personId }) => personId);
    return { head, dropsPeople: begins, removed, put };
  }

  #receipt(answer: {
    readonly correlationId: string;
    readonly erasures: readonly Pick<Erasure, 'erasureId'>[];
    readonly error?: CacheRefusal | undefined;
  }): GalleryReceipt {
    const { content, deviceClock } = this.#options;
    const { cacheId, version } = content.head;
    return create(GalleryReceiptSchema, {
      schemaVersion: SCHEMA_VERSION,
      correlationId: answer.correlationId,
      cacheId,
      version: BigInt(version),
      erasureIds: answer.erasures.map(({ erasureId }) => erasureId),
      error: answer.error ?? '',
      at: deviceClock.deviceTime(),
    });
  }

  #count(outcome: Outcome, erasures: number): void {
    const { refused, ...counts } = this.#counts;
    const known = { ...counts, refused, erasures: counts.erasures + erasures };
    this.#counts =
      outcome === 'applied' || outcome === 'repeated'
        ? { ...known, [outcome]: counts[outcome] + 1 }
        : { ...known, refused: { ...refused, [outcome]: (refused[outcome] ?? 0) + 1 } };
  }
}

function signingKeyOf(text: string): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Told below, without what the parser says of the bytes.
  }
  throw new AppError('CONFIG.INVALID', 'The signing key of the local cache is no public key of Ed25519.', {
    details: { keys: ['provisioning.gallery.signingKey'] },
  });
}

function decode(body: Uint8Array): GalleryDeltaBody {
  try {
    return fromBinary(GalleryDeltaBodySchema, body);
  } catch (cause) {
    throw new AppError('CACHE.INVALID', 'The body of the delta cannot be decoded.', { cause });
  }
}

function erasuresOf({ tombstones }: GalleryDeltaBody): readonly Erasure[] {
  return tombstones.filter(({ personId, erasureId }) => erasureId !== '' && isUuid(personId));
}

/** Nothing but the erasures of a delta. */
function erasing(head: CacheHead, erasures: readonly Erasure[]): CacheChange {
  return { head, dropsPeople: false, removed: erasures.map(({ personId }) => personId), erasures, put: [] };
}

const refusals: readonly string[] = [
  'CACHE.BAD_SIGNATURE',
  'CACHE.FOREIGN_DEVICE',
  'CACHE.GAP',
  'CACHE.STALE',
  'CACHE.INVALID',
  'CACHE.FOREIGN_SPACE',
  'CACHE.FOREIGN_KEY',
  'CACHE.FULL',
  'CACHE.DISK_FULL',
] satisfies CacheRefusal[];

/** Of an error; what is none of ours is that the cache cannot be used. */
function refusalOf(error: unknown): CacheRefusal {
  return isAppError(error) && refusals.includes(error.code) ? (error.code as CacheRefusal) : 'CACHE.UNAVAILABLE';
}
