import { type Database, inTransaction } from '@sightline/database';
import type { Clock, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, ne } from 'drizzle-orm';
import { randomUUID } from 'node:crypto';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { apiKey, tenant } from '../storage/schema.js';
import { digestsEqual, hashApiKey, sha256 } from './api-key.js';
import type { Caller } from './caller.js';

/** Tenants and the keys that act for them. */
@Injectable()
export class ApiKeys {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
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

  /** Whose key it is, or undefined. */
  async callerOf(key: string): Promise<Caller | undefined> {
    const digest = sha256(key);
    const [row] = await this.database.db.select().from(apiKey).where(eq(apiKey.sha256, digest));
    // The index finds a row by its digest, whose bytes an attacker cannot steer; the check stays constant-time.
    if (row === undefined || !digestsEqual(row.sha256, digest)) return undefined;
    return { tenantId: row.tenantId, actor: `key:${row.id}`, roles: ['admin'] };
  }
}
