import { randomBytes } from 'node:crypto';

import type { Database } from '@sightline/database';
import { AppError, type Clock, type KeyId, type TenantId } from '@sightline/kernel';
import {
  createTemplateProtector,
  createTemplateRekeyer,
  templateKeyId,
  type Template,
  type TemplateKey,
  type TemplateProtector,
  type TemplateRekeyer,
} from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, isNull } from 'drizzle-orm';

import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { Notifications } from '../storage/notifications.js';
import { templateKey } from '../storage/schema.js';
import { unwrapKey, wrapKey, type KeyOwner } from './key-wrapping.js';

/** A key whose secret has not been destroyed. */
export interface LiveTemplateKey extends TemplateKey {
  readonly keyId: KeyId;
}

/** A new key, and its secret as it lies in the database. */
export interface NewTemplateKey extends LiveTemplateKey {
  readonly wrappedSecret: Uint8Array;
}

/** The tenants' template keys. In the database they lie wrapped; unwrapped they exist in memory alone. */
@Injectable()
export class TemplateKeys {
  readonly #live = new Map<TenantId, Promise<readonly LiveTemplateKey[]>>();
  readonly #tenants = new Map<KeyId, TenantId>();
  readonly #protectors = new Map<string, TemplateProtector>();
  readonly #rekeyers = new Map<string, TemplateRekeyer>();

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    @Inject(CLOCK) private readonly clock: Clock,
    notifications: Notifications,
  ) {
    notifications.on('cloud_template_keys', {
      notified: (tenantId) => this.forget(tenantId as TenantId),
      reconnected: () => this.#forgetAll(),
    });
  }

  /**
   * The tenant's current key, made at the first use: everything new is under it.
   *
   * @throws AppError `TEMPLATE_KEY.UNWRAP_FAILED`
   */
  async current(tenantId: TenantId): Promise<LiveTemplateKey> {
    const [key] = await this.live(tenantId);
    if (key === undefined) throw new AppError('SERVICE.INTERNAL', 'The tenant has no template key.');
    return key;
  }

  /** The keys that are understood, newest first: more than one between a rotation and the end of the old key. */
  live(tenantId: TenantId): Promise<readonly LiveTemplateKey[]> {
    const known = this.#live.get(tenantId);
    if (known !== undefined) return known;
    const loading = this.#load(tenantId);
    this.#live.set(tenantId, loading);
    loading.catch(() => this.#live.delete(tenantId));
    return loading;
  }

  /** The live keys of the tenant whose key it is; none once it was destroyed, or where nobody has used it here. */
  async siblings(keyId: KeyId): Promise<readonly LiveTemplateKey[]> {
    const tenantId = this.#tenants.get(keyId);
    if (tenantId === undefined) return [];
    const keys = await this.live(tenantId);
    return keys.some((key) => key.keyId === keyId) ? keys : [];
  }

  /** The tenant's keyed transform for embeddings of `dimension` components. */
  async protector(tenantId: TenantId, dimension: number): Promise<TemplateProtector> {
    const key = await this.current(tenantId);
    return remembered(this.#protectors, `${key.keyId}/${dimension}`, () =>
      createTemplateProtector({ ...key, dimension }),
    );
  }

  /**
   * A template of any live key under another one, such as the current.
   *
   * @throws AppError `TEMPLATE.FOREIGN_KEY` when one of the keys is not the tenant's, or was destroyed
   */
  async under(keyId: KeyId, tenantId: TenantId, template: Template): Promise<Template> {
    if (template.keyId === keyId) return template;
    const keys = await this.live(tenantId);
    const from = keys.find((key) => key.keyId === template.keyId);
    const to = keys.find((key) => key.keyId === keyId);
    if (from === undefined || to === undefined) {
      throw new AppError('TEMPLATE.FOREIGN_KEY', 'The template was protected with a key that is not in use.');
    }
    const { dimension } = template;
    return remembered(this.#rekeyers, `${from.keyId}/${to.keyId}/${dimension}`, () =>
      createTemplateRekeyer(from, to, dimension),
    ).rekey(template);
  }

  /** The next epoch's key, not stored yet. */
  next({ tenantId, epoch }: KeyOwner): NewTemplateKey {
    const secret = new Uint8Array(randomBytes(32));
    const owner = { tenantId, epoch: epoch + 1 };
    return {
      ...owner,
      secret,
      keyId: templateKeyId({ ...owner, secret }),
      wrappedSecret: wrapKey(secret, this.config.keyEncryptionKey, owner),
    };
  }

  /** Reads the tenant's keys anew when they are needed next. */
  forget(tenantId: TenantId): void {
    this.#live.delete(tenantId);
  }

  #forgetAll(): void {
    this.#live.clear();
  }

  async #load(tenantId: TenantId): Promise<readonly LiveTemplateKey[]> {
    const stored = await this.#read(tenantId);
    const rows = stored.length > 0 ? stored : await this.#create(tenantId);
    const keys = rows.flatMap(({ epoch, keyId, wrappedSecret }) => {
      if (wrappedSecret === null) return [];
      const secret = unwrapKey(wrappedSecret, this.config.keyEncryptionKey, { tenantId, epoch });
      const key = { tenantId, epoch, secret, keyId };
      if (templateKeyId(key) !== keyId) {
        throw new AppError('TEMPLATE_KEY.UNWRAP_FAILED', 'The template key is not the one that its row names.');
      }
      return [key];
    });
    this.#forgetTransforms(tenantId, keys);
    for (const { keyId } of keys) this.#tenants.set(keyId, tenantId);
    return keys;
  }

  /** What was made of keys that live no more goes with them. */
  #forgetTransforms(tenantId: TenantId, live: readonly LiveTemplateKey[]): void {
    for (const [keyId, owner] of this.#tenants) {
      if (owner !== tenantId || live.some((key) => key.keyId === keyId)) continue;
      this.#tenants.delete(keyId);
      for (const made of [this.#protectors, this.#rekeyers]) {
        for (const name of made.keys()) if (name.includes(keyId)) made.delete(name);
      }
    }
  }

  #read(tenantId: TenantId) {
    return this.database.db
      .select()
      .from(templateKey)
      .where(and(eq(templateKey.tenantId, tenantId), isNull(templateKey.retiredAt)))
      .orderBy(desc(templateKey.epoch));
  }

  async #create(tenantId: TenantId) {
    const { epoch, keyId, wrappedSecret } = this.next({ tenantId, epoch: 0 });
    await this.database.db
      .insert(templateKey)
      .values({ tenantId, epoch, keyId, wrappedSecret, createdAt: new Date(this.clock.wallMs()) })
      .onConflictDoNothing();
    // Another process may have been first: the row decides.
    return this.#read(tenantId);
  }
}

function remembered<Value>(known: Map<string, Value>, name: string, make: () => Value): Value {
  const found = known.get(name) ?? make();
  known.set(name, found);
  return found;
}
