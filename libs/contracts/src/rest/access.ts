import { z } from 'zod';

import { labelSchema, pageOf, slugSchema, timestampSchema, uuidSchema } from './common.js';

export const roleSchema = z
  .enum(['admin', 'operator', 'auditor', 'device'])
  .describe(
    'admin: everything of the tenant. operator: people, search, commands. auditor: reads, and the audit. device: what one box may ask.',
  );

export const apiKeySchema = z
  .object({
    id: uuidSchema,
    label: z.string(),
    role: roleSchema,
    deviceId: slugSchema.nullable().describe('The one box that a key of the role device acts for.'),
    prefix: z.string().describe('Its first characters, to recognise it by.'),
    fromEnvironment: z.boolean().describe('It is valid as long as it is configured, and cannot be revoked here.'),
    createdAt: timestampSchema,
    expiresAt: timestampSchema.nullable(),
    lastUsedAt: timestampSchema.nullable().describe('To the minute.'),
  })
  .meta({ id: 'ApiKey' });
export type ApiKey = z.infer<typeof apiKeySchema>;

export const apiKeyPageSchema = pageOf(apiKeySchema, 'ApiKeyPage');
export type ApiKeyPage = z.infer<typeof apiKeyPageSchema>;

export const createApiKeySchema = z
  .object({
    label: labelSchema.describe('What it is for. Not the name of a person: labels are not erased with anybody.'),
    role: roleSchema,
    deviceId: slugSchema.optional().describe('Of the role device, and of no other: the box that it acts for.'),
    expiresAt: timestampSchema.optional().describe('Default: never.'),
  })
  .strict()
  .refine(({ role, deviceId }) => (role === 'device') === (deviceId !== undefined), {
    path: ['deviceId'],
    message: 'a key of the role device names its box, and no other does',
  })
  .meta({ id: 'CreateApiKey' });
export type CreateApiKey = z.infer<typeof createApiKeySchema>;

export const newApiKeySchema = z
  .object({ key: apiKeySchema, secret: z.string().describe('Shown this once: send it as the bearer token.') })
  .meta({ id: 'NewApiKey' });
export type NewApiKey = z.infer<typeof newApiKeySchema>;

export const tenantSchema = z
  .object({
    id: slugSchema,
    label: z.string(),
    createdAt: timestampSchema,
    suspendedAt: timestampSchema.nullable().describe('Since when nobody of it is let in.'),
  })
  .meta({ id: 'Tenant' });
export type Tenant = z.infer<typeof tenantSchema>;

export const tenantPageSchema = pageOf(tenantSchema, 'TenantPage');
export type TenantPage = z.infer<typeof tenantPageSchema>;

export const createTenantSchema = z
  .object({ id: slugSchema, label: labelSchema.optional() })
  .strict()
  .meta({ id: 'CreateTenant' });
export type CreateTenant = z.infer<typeof createTenantSchema>;

export const newTenantSchema = z.object({ tenant: tenantSchema, adminKey: newApiKeySchema }).meta({ id: 'NewTenant' });
export type NewTenant = z.infer<typeof newTenantSchema>;

export const changeTenantSchema = z.object({ suspended: z.boolean() }).strict().meta({ id: 'ChangeTenant' });
export type ChangeTenant = z.infer<typeof changeTenantSchema>;

export const issuedTokenSchema = z
  .object({
    accessToken: z.string().describe('A JWT, to be sent as the bearer token; its keys are at /.well-known/jwks.json.'),
    tokenType: z.literal('Bearer'),
    expiresInSeconds: z.number().int(),
  })
  .meta({ id: 'IssuedToken' });
export type IssuedToken = z.infer<typeof issuedTokenSchema>;

export const jwksSchema = z
  .object({ keys: z.array(z.record(z.string(), z.string())) })
  .meta({ id: 'Jwks' })
  .describe('A JSON Web Key Set (RFC 7517).');
export type Jwks = z.infer<typeof jwksSchema>;
