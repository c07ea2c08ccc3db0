import type { DeviceId, TenantId } from '@sightline/kernel';
import { bigint, boolean, text } from 'drizzle-orm/pg-core';

import { bytea, cloud, instant } from './columns.js';

// The typed view of migrations/0017-device-certificates.sql, which is the truth: keys, checks and indexes are its.

export const certificateAuthority = cloud.table('certificate_authority', {
  keyId: text('key_id').primaryKey(),
  certificate: bytea('certificate').notNull(),
  wrappedPrivateKey: bytea('wrapped_private_key').notNull(),
  createdAt: instant('created_at').notNull(),
  retiredAt: instant('retired_at'),
});

export type CertificateEnd = 'superseded' | 're-enrolled' | 'lost' | 'stolen' | 'retired' | 'unspecified';

export const deviceCertificate = cloud.table('device_certificate', {
  serialNumber: text('serial_number').primaryKey(),
  tenantId: text('tenant_id').$type<TenantId>().notNull(),
  deviceId: text('device_id').$type<DeviceId>().notNull(),
  authorityKeyId: text('authority_key_id').notNull(),
  certificate: bytea('certificate').notNull(),
  publicKeySha256: bytea('public_key_sha256').notNull(),
  enrolledBy: bytea('enrolled_by'),
  renewalOf: text('renewal_of'),
  notBefore: instant('not_before').notNull(),
  notAfter: instant('not_after').notNull(),
  issuedAt: instant('issued_at').notNull(),
  revokedAt: instant('revoked_at'),
  revocationReason: text('revocation_reason').$type<CertificateEnd>(),
});

export const certificateRevocation = cloud.table('certificate_revocation', {
  singleton: boolean('singleton').primaryKey(),
  listNumber: bigint('list_number', { mode: 'number' }).notNull(),
});
