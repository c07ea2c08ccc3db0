import type { rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import {
  AppError,
  errorMessage,
  isAppError,
  isUuid,
  type Clock,
  type DeviceId,
  type Logger,
  type TenantId,
} from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, isNull, lt, ne, or, sql, type SQL } from 'drizzle-orm';
import { randomUUID } from 'node:crypto';

import { Audit } from '../audit/audit.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { digestsEqual, sha256 } from '../platform/digests.js';
import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';
import { apiKey, tenant } from '../storage/access-schema.js';
import { hashApiKey, isMistyped, newApiKey } from './api-key.js';

type ApiKeyRow = typeof apiKey.$inferSelect;

/** How exact the time of a key's last use is, ms. */
const LAST_USE_MS = 60_000;

/** The keys that act for a tenant. Of each only a digest is stored. */
@Injectable()
export class ApiKeys {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly audit: Audit,
  ) {}

  /** Makes sure that a tenant exists, and that of the keys from the environment only `bootstrapKey` is valid. */
  async bootstrap(tenantId: TenantId, bootstrapKey: string | undefined): Promise<void> {
    const createdAt = new Date(this.clock.wallMs());
    await inTransaction(this.database, async (tx) => {
      await tx.insert(tenant).values({ id: tenantId, createdAt }).onConflictDoNothing();
      const fromEnvironment = and(eq(apiKey.tenantId, tenantId), eq(apiKey.bootstrap, true));
      if (bootstrapKey === undefined) {
        await tx.delete(apiKey).where(fromEnvironment);
        return;
      }
      const hashed = hashApiKey(bootstrapKey);
      await tx.delete(apiKey).where(and(fromEnvironment, ne(apiKey.sha256, hashed.sha256)));
      await tx
        .insert(apiKey)
        .values({ id: randomUUID(), tenantId, ...hashed, bootstrap: true, createdAt })
        .onConflictDoNothing();
    });
  }

  /**
   * Makes a key.
   *
   * @throws AppError `REQUEST.INVALID` when it expires before now, `DEVICE.NOT_FOUND`
   */
  async create(tenantId: TenantId, wanted: rest.CreateApiKey): Promise<rest.NewApiKey> {
    try {
      return await inTransaction(this.database, async (tx) => {
        const made = await this.insert(tx, tenantId, wanted);
        await this.audit.record(tx, { tenantId, action: 'api-key.create', subject: subjectOf(made.key.id) });
        return made;
      });
    } catch (error) {
      if (!isAppError(error) || error.details.constraint !== 'api_key_of_device') throw error;
      throw new AppError('DEVICE.NOT_FOUND', 'There is no device with this id.', { cause: error });
    }
  }

  /** As {@link create}, within a transaction that does more. */
  async insert(tx: Transaction, tenantId: TenantId, wanted: rest.CreateApiKey): Promise<rest.NewApiKey> {
    const createdAt = new Date(this.clock.wallMs());
    const expiresAt = wanted.expiresAt === undefined ? null : new Date(wanted.expiresAt);
    if (expiresAt !== null && expiresAt <= createdAt) {
      throw new AppError('REQUEST.INVALID', 'The key would have expired already.');
    }
    const secret = newApiKey();
    const { label, role } = wanted;
    const deviceId = (wanted.deviceId ?? null) as DeviceId | null;
    const row: ApiKeyRow = {
      ...{ id: randomUUID(), tenantId, ...hashApiKey(secret), bootstrap: false, createdAt },
      ...{ label, role, deviceId, expiresAt, lastUsedAt: null },
    };
    await tx.insert(apiKey).values(row);
    return { key: toApiKey(row), secret };
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.ApiKeyPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const rows = await this.database.db
      .select()
      .from(apiKey)
      .where(
        and(
          eq(apiKey.tenantId, tenantId),
          after &&
            sql`(${apiKey.createdAt}, ${apiKey.id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(apiKey.createdAt), desc(apiKey.id))
      .limit(limit + 1);
    return toPage(rows, limit, { item: toApiKey, cursor: ({ createdAt, id }) => ({ time: createdAt, id }) });
  }

  /**
   * Makes a key worth nothing, from the next request on.
   *
   * @throws AppError `API_KEY.NOT_FOUND`, `API_KEY.FROM_ENVIRONMENT`
   */
  async revoke(tenantId: TenantId, id: string): Promise<void> {
    await inTransaction(this.database, async (tx) => {
      const [row] = await tx
        .select({ bootstrap: apiKey.bootstrap })
        .from(apiKey)
        .where(and(eq(apiKey.tenantId, tenantId), eq(apiKey.id, id)));
      if (row === undefined) throw new AppError('API_KEY.NOT_FOUND', 'There is no API key with this id.');
      if (row.bootstrap) {
        throw new AppError('API_KEY.FROM_ENVIRONMENT', 'The key is configured where the service is started.');
      }
      await tx.delete(apiKey).where(and(eq(apiKey.tenantId, tenantId), eq(apiKey.id, id)));
      await this.audit.record(tx, { tenantId, action: 'api-key.revoke', subject: subjectOf(id) });
    });
  }

  /**
   * Whose key it is, or undefined.
   *
   * @throws AppError `ACCESS.TENANT_SUSPENDED`
   */
  async callerOf(key: string): Promise<RequestCaller | undefined> {
    if (isMistyped(key)) return undefined;
    const digest = sha256(key);
    const row = await this.#valid(eq(apiKey.sha256, digest));
    // The index finds a row by its digest, whose bytes an attacker cannot steer; the check stays constant-time.
    return row !== undefined && digestsEqual(row.sha256, digest) ? toCaller(row) : undefined;
  }

  /**
   * For whom the key with this id acts, which somebody has proven to have had; undefined once it is not valid any more.
   *
   * @throws AppError `ACCESS.TENANT_SUSPENDED`
   */
  async callerById(id: string): Promise<RequestCaller | undefined> {
    const row = isUuid(id) ? await this.#valid(eq(apiKey.id, id)) : undefined;
    return row && toCaller(row);
  }

  async #valid(which: SQL): Promise<ApiKeyRow | undefined> {
    const [row] = await this.database.db
      .select({ key: apiKey, suspendedAt: tenant.suspendedAt })
      .from(apiKey)
      .innerJoin(tenant, eq(tenant.id, apiKey.tenantId))
      .where(which);
    const nowMs = this.clock.wallMs();
    if (row === undefined || (row.key.expiresAt !== null && row.key.expiresAt.getTime() <= nowMs)) return undefined;
    if (row.suspendedAt !== null) throw new AppError('ACCESS.TENANT_SUSPENDED', 'The tenant is suspended.');
    if ((row.key.lastUsedAt?.getTime() ?? -Infinity) <= nowMs - LAST_USE_MS) await this.#used(row.key.id, nowMs);
    return row.key;
  }

  async #used(id: string, nowMs: number): Promise<void> {
    const unwritten = or(isNull(apiKey.lastUsedAt), lt(apiKey.lastUsedAt, new Date(nowMs - LAST_USE_MS + 1)));
    try {
      await this.database.db
        .update(apiKey)
        .set({ lastUsedAt: new Date(nowMs) })
        .where(and(eq(apiKey.id, id), unwritten));
    } catch (error) {
      // Worth knowing, and no reason to turn a valid key away.
      this.log.warn({ error: errorMessage(error) }, 'the last use of an API key cannot be written');
    }
  }
}

const subjectOf = (id: string) => ({ kind: 'api-key', id });

function toCaller({ tenantId, id, role, deviceId }: ApiKeyRow): RequestCaller {
  return { tenantId, actor: `key:${id}`, roles: [role], ...(deviceId !== null && { deviceId }) };
}

function toApiKey(row: ApiKeyRow): rest.ApiKey {
  const { id, label, role, deviceId, prefix, bootstrap: fromEnvironment } = row;
  return {
    ...{ id, label, role, deviceId, prefix, fromEnvironment, createdAt: row.createdAt.toISOString() },
    expiresAt: row.expiresAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
  };
}
