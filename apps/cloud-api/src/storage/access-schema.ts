import type { DeviceId, TenantId } from '@sightline/kernel';
import type { Role } from '@sightline/rest-server';
import { boolean, text, uuid } from 'drizzle-orm/pg-core';

import { bytea, cloud, instant } from './columns.js';

// The typed view of migrations/0001-tenants-and-access.sql and 0010-access.sql, where they say what the columns mean.

export const tenant = cloud.table('tenant', {
  id: text('id').$type<TenantId>().primaryKey(),
  label: text('label').notNull().default(''),
  createdAt: instant('created_at').notNull(),
  suspendedAt: instant('suspended_at'),
});

export const apiKey = cloud.table('api_key', {
  id: uuid('id').primaryKey(),
  tenantId: text('tenant_id').$type<TenantId>().notNull(),
  label: text('label').notNull().default(''),
  role: text('role').$type<Role>().notNull().default('admin'),
  deviceId: text('device_id').$type<DeviceId>(),
  prefix: text('prefix').notNull(),
  sha256: bytea('sha256').notNull(),
  bootstrap: boolean('bootstrap').notNull(),
  createdAt: instant('created_at').notNull(),
  expiresAt: instant('expires_at'),
  lastUsedAt: instant('last_used_at'),
});

export const tokenSigningKey = cloud.table('token_signing_key', {
  keyId: text('key_id').primaryKey(),
  publicKey: bytea('public_key').notNull(),
  wrappedPrivateKey: bytea('wrapped_private_key').notNull(),
  createdAt: instant('created_at').notNull(),
});
