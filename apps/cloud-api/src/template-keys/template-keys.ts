import { randomBytes } from 'node:crypto';

import type { Database } from '@sightline/database';
import { AppError, type Clock, type TenantId } from '@sightline/kernel';
import {
  createTemplateProtector,
  templateKeyId,
  type TemplateKey,
  type TemplateProtector,
} from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq } from 'drizzle-orm';

import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { templateKey } from '../storage/schema.js';
import { unwrapKey, wrapKey } from './key-wrapping.js';

// Rotation is a later step; until then every tenant is in its first epoch.
const EPOCH = 1;

/** The tenants' template keys. In the database they lie wrapped; unwrapped they exist in memory alone. */
@Injectable()
export class TemplateKeys {
  readonly #keys = new Map<TenantId, Promise<TemplateKey>>();
  readonly #protectors = new Map<string, TemplateProtector>();

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * The tenant's current key, made at the first use.
   *
   * @throws AppError `TEMPLATE_KEY.UNWRAP_FAILED`
   */
  current(tenantId: TenantId): Promise<TemplateKey> {
    const known = this.#keys.get(tenantId);
    if (known !== undefined) return known;
    const loading = this.#load(tenantId);
    this.#keys.set(tenantId, loading);
    loading.catch(() => this.#keys.delete(tenantId));
    return loading;
  }

  /** The tenant's keyed transform for embeddings of `dimension` components. */
  async protector(tenantId: TenantId, dimension: number): Promise<TemplateProtector> {
    const name = `${tenantId}/${dimension}`;
    const known = this.#protectors.get(name);
    if (known !== undefined) return known;
    const protector = createTemplateProtector({ ...(await this.current(tenantId)), dimension });
    this.#protectors.set(name, protector);
    return protector;
  }

  async #load(tenantId: TenantId): Promise<TemplateKey> {
    const stored = (await this.#read(tenantId)) ?? (await this.#create(tenantId));
    const key = {
      tenantId,
      epoch: EPOCH,
      secret: unwrapKey(stored.wrappedSecret, this.config.keyEncryptionKey, { tenantId, epoch: EPOCH }),
    };
    if (templateKeyId(key) !== stored.keyId) {
      throw new AppError('TEMPLATE_KEY.UNWRAP_FAILED', 'The template key is not the one that its row names.');
    }
    return key;
  }

  async #read(tenantId: TenantId) {
    const [row] = await this.database.db
      .select()
      .from(templateKey)
      .where(and(eq(templateKey.tenantId, tenantId), eq(templateKey.epoch, EPOCH)));
    return row;
  }

  async #create(tenantId: TenantId) {
    const secret = new Uint8Array(randomBytes(32));
    const owner = { tenantId, epoch: EPOCH };
    await this.database.db
      .insert(templateKey)
      .values({
        ...owner,
        keyId: templateKeyId({ ...owner, secret }),
        wrappedSecret: wrapKey(secret, this.config.keyEncryptionKey, owner),
        createdAt: new Date(this.clock.wallMs()),
      })
      .onConflictDoNothing();
    // Another process may have been first: the row decides.
    const row = await this.#read(tenantId);
    if (row === undefined) throw new AppError('SERVICE.INTERNAL', 'The template key was not stored.');
    return row;
  }
}
