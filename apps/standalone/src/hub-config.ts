import { isSlug, type TenantId } from '@sightline/kernel';
import { z } from 'zod';

const port = z.number().int().min(1).max(65_535);
const secret = z.string().min(24);
const slug = z
  .string()
  .refine(isSlug, 'lower-case letters, digits and inner hyphens')
  .transform((id) => id as TenantId);

/**
 * What a hub needs to come up the same after every restart. Kept in one file (0600) in its data directory,
 * since ports and secrets must outlive the process.
 */
export const hubConfigSchema = z
  .object({
    dataDirectory: z.string().min(1),
    modelStoreDirectory: z.string().min(1),
    tenantId: slug,
    ports: z.object({ api: port, registry: port, mqtt: port }).strict(),
    mqtts: z
      .object({
        host: z.string().min(1).describe('Address to listen on.'),
        port,
        names: z.array(z.string().min(1)).min(1).describe('Host names and addresses under which boxes reach it.'),
      })
      .strict()
      .optional()
      .describe('A listener for boxes with certificates. Default: none, boxes come with passwords.'),
    secrets: z
      .object({
        adminKey: secret.describe('The first API key.'),
        cloudMqttPassword: secret,
        registryMqttPassword: secret,
        keyEncryptionKey: z.base64().describe('32 bytes that wrap the template keys.'),
      })
      .strict(),
    falseMatchRate: z.number().min(1e-5).max(1e-2),
  })
  .strict();
export type HubConfig = z.output<typeof hubConfigSchema>;
export type HubConfigFile = z.input<typeof hubConfigSchema>;

/** What a ready hub tells its parent. */
export const hubReadySchema = z.object({
  kind: z.literal('hub-ready'),
  apiUrl: z.string(),
  registryUrl: z.string(),
  mqttUrl: z.string(),
});
export type HubReady = z.infer<typeof hubReadySchema>;
