import { parseConfiguration } from '@sightline/host';
import { isSlug, type Clock, type Logger, type TenantId } from '@sightline/kernel';
import type { CertificateFiles } from '@sightline/messaging';
import { z } from 'zod';

import { accessEnvironment, accessFrom, type AccessConfig } from './access/access-config.js';

import { galleryEnvironment, qdrantFrom, type QdrantConfig } from './identification/gallery-config.js';
import type { SharedConsumption } from './ingest/consumer-claim.js';

/** What a running cloud API needs to know. Parsed once; everything inside trusts it. */
export interface CloudApiConfig {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** PostgreSQL connection string. */
  readonly databaseUrl: string;
  /** Redis for background jobs, with `maxmemory-policy noeviction`. Without it they lie in PostgreSQL. */
  readonly redisUrl?: string | undefined;
  readonly mqtt: {
    readonly url: string;
    readonly username: string;
    readonly password: string;
    /** The address that boxes are told. Default: `url`. */
    readonly publicUrl?: string | undefined;
    /** Paths of PEM files, or PEM texts, for `mqtts:` and `wss:`; read anew for each connection. */
    readonly tls?: CertificateFiles | undefined;
    /** Several processes share the fleet's sightings out. Default: this one alone consumes, and no second may. */
    readonly shared?: SharedConsumption | undefined;
  };
  /** Base address of the model registry's TUF repository. */
  readonly repositoryUrl: string;
  /** The repository's address as boxes are told. Default: `repositoryUrl`. */
  readonly publicRepositoryUrl?: string | undefined;
  /** TUF root metadata to pin, for this program and for the boxes that it provisions. */
  readonly trustedRoot: Uint8Array;
  /** Where releases are kept. */
  readonly dataDirectory: string;
  readonly tenantId: TenantId;
  /** An API key that is valid as long as it is configured. */
  readonly bootstrapAdminKey?: string | undefined;
  readonly access?: AccessConfig | undefined;
  /** 32 bytes that wrap the tenants' template keys in the database. */
  readonly keyEncryptionKey: Uint8Array;
  /**
   * Where the keys of personal data lie: a PostgreSQL of their own, or a folder. Default: the folder `person-keys` in
   * the data directory.
   */
  readonly keyStore?: { readonly url?: string | undefined; readonly directory?: string | undefined } | undefined;
  /** Where sealed images lie; processes share one. Default: the folder `images` in the data directory. */
  readonly imageDirectory?: string | undefined;
  /** A gallery that processes share. Default: each has one of its own, in memory. */
  readonly qdrant?: QdrantConfig | undefined;
  /** What a gallery of the process's own may need at most, bytes; the start fails where it needs more. */
  readonly galleryMemoryBytes?: number | undefined;
  /** False-match rate of one comparison that decisions stand for at most, 0 to 1. */
  readonly falseMatchRate: number;
  /** FPIR: false-positive rate of a whole search that decisions stand for, above 0 and below 1. Default: 0.01. */
  readonly falsePositiveRate?: number | undefined;
  /** This program's own address as boxes reach it: where they ask for certificates. Default: they must be told. */
  readonly publicUrl?: string | undefined;
  /** Paths of PEM files, or PEM texts. Default: an authority of the installation's own, kept in the database. */
  readonly certificateAuthority?: { readonly certificate: string; readonly key: string } | undefined;
  /** How long a box's certificate is valid, ms. Default: 90 days. */
  readonly deviceCertificateMs?: number | undefined;
  /** Ends a box's connection at once, where the broker is at hand. Default: a session of the same client id takes it over. */
  readonly disconnectDevice?: ((clientId: string) => void) | undefined;
  /** How long a box may match by its own cache after it was last told so, ms. Default: 7 days. */
  readonly edgeCacheLeaseMs?: number | undefined;
  /** Where webhooks may be. Default: https alone, and addresses of the internet. */
  readonly webhooks?: { readonly privateNetworks: boolean } | undefined;
  /** Inference workers for photos. */
  readonly inferenceWorkers: number;
  readonly log: Logger;
  readonly clock: Clock;
}

const base64Bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

const slug = z.string().refine(isSlug, 'lower-case letters, digits and inner hyphens');

const environmentShape = z.object({
  SIGHTLINE_HOST: z.string().min(1).default('127.0.0.1'),
  SIGHTLINE_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  SIGHTLINE_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  SIGHTLINE_REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
  SIGHTLINE_MQTT_URL: z.url({ protocol: /^(mqtts?|wss?)$/ }),
  SIGHTLINE_MQTT_USERNAME: z.string().min(1),
  SIGHTLINE_MQTT_PASSWORD: z.string().min(1),
  SIGHTLINE_MQTT_PUBLIC_URL: z.url({ protocol: /^(mqtts?|wss?)$/ }).optional(),
  SIGHTLINE_MQTT_CA: z.string().min(1).optional(),
  SIGHTLINE_MQTT_CERTIFICATE: z.string().min(1).optional(),
  SIGHTLINE_MQTT_KEY: z.string().min(1).optional(),
  SIGHTLINE_MQTT_SHARED_GROUP: slug.optional(),
  SIGHTLINE_INSTANCE: slug.optional(),
  SIGHTLINE_REPOSITORY_URL: z.url({ protocol: /^https?$/ }),
  SIGHTLINE_REPOSITORY_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  SIGHTLINE_TRUSTED_ROOT: z.string().regex(base64, 'base64 of the TUF root metadata').transform(base64Bytes),
  SIGHTLINE_DATA_DIRECTORY: z.string().min(1),
  SIGHTLINE_TENANT: slug.transform((id) => id as TenantId).default('default' as TenantId),
  SIGHTLINE_ADMIN_KEY: z.string().min(24, 'at least 24 characters').optional(),
  ...accessEnvironment,
  SIGHTLINE_KEY_ENCRYPTION_KEY: z
    .string()
    .regex(base64, 'base64 of 32 bytes')
    .transform(base64Bytes)
    .refine((key) => key.length === 32, 'base64 of 32 bytes'),
  SIGHTLINE_KEY_STORE_DIRECTORY: z.string().min(1).optional(),
  SIGHTLINE_KEY_STORE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  SIGHTLINE_IMAGE_DIRECTORY: z.string().min(1).optional(),
  ...galleryEnvironment,
  SIGHTLINE_GALLERY_MEMORY_MB: z.coerce.number().int().min(1).optional(),
  // Rates that releases are calibrated for: a threshold is never extrapolated.
  SIGHTLINE_FALSE_MATCH_RATE: z.coerce.number().min(1e-5).max(1e-2).default(1e-4),
  SIGHTLINE_FALSE_POSITIVE_RATE: z.coerce.number().min(1e-6).max(0.5).default(0.01),
  SIGHTLINE_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  SIGHTLINE_CA_CERTIFICATE: z.string().min(1).optional(),
  SIGHTLINE_CA_KEY: z.string().min(1).optional(),
  SIGHTLINE_DEVICE_CERTIFICATE_DAYS: z.coerce.number().min(1).max(825).default(90),
  SIGHTLINE_CACHE_LEASE_HOURS: z.coerce.number().min(1).max(8760).default(168),
  SIGHTLINE_WEBHOOK_PRIVATE_NETWORKS: z.enum(['true', 'false']).default('false'),
  SIGHTLINE_INFERENCE_WORKERS: z.coerce.number().int().min(1).max(64).default(1),
});

/** Keys that say something only together. */
const pairs = [
  [
    'SIGHTLINE_MQTT_SHARED_GROUP',
    'SIGHTLINE_INSTANCE',
    'a group needs the instance of each process, and an instance its group',
  ],
  ['SIGHTLINE_CA_CERTIFICATE', 'SIGHTLINE_CA_KEY', 'an authority needs its certificate and its key'],
] as const;

const environmentSchema = environmentShape.superRefine((value, context) => {
  for (const [one, other, message] of pairs) {
    if ((value[one] === undefined) === (value[other] === undefined)) continue;
    context.addIssue({ code: 'custom', path: [value[one] === undefined ? one : other], message });
  }
});

/**
 * Reads the configuration from the environment.
 *
 * @throws AppError `CONFIG.INVALID` that names every bad key (never its value)
 */
export function configFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  parts: { readonly log: Logger; readonly clock: Clock },
): CloudApiConfig {
  const value = parseConfiguration(environmentSchema, environment);
  return {
    host: value.SIGHTLINE_HOST,
    port: value.SIGHTLINE_PORT,
    databaseUrl: value.SIGHTLINE_DATABASE_URL,
    redisUrl: value.SIGHTLINE_REDIS_URL,
    mqtt: {
      url: value.SIGHTLINE_MQTT_URL,
      username: value.SIGHTLINE_MQTT_USERNAME,
      password: value.SIGHTLINE_MQTT_PASSWORD,
      publicUrl: value.SIGHTLINE_MQTT_PUBLIC_URL,
      tls: tlsFrom(value),
      shared: sharedFrom(value),
    },
    repositoryUrl: value.SIGHTLINE_REPOSITORY_URL,
    publicRepositoryUrl: value.SIGHTLINE_REPOSITORY_PUBLIC_URL,
    trustedRoot: value.SIGHTLINE_TRUSTED_ROOT,
    dataDirectory: value.SIGHTLINE_DATA_DIRECTORY,
    tenantId: value.SIGHTLINE_TENANT,
    bootstrapAdminKey: value.SIGHTLINE_ADMIN_KEY,
    access: accessFrom(value),
    keyEncryptionKey: value.SIGHTLINE_KEY_ENCRYPTION_KEY,
    keyStore: { url: value.SIGHTLINE_KEY_STORE_URL, directory: value.SIGHTLINE_KEY_STORE_DIRECTORY },
    imageDirectory: value.SIGHTLINE_IMAGE_DIRECTORY,
    qdrant: qdrantFrom(value),
    galleryMemoryBytes: value.SIGHTLINE_GALLERY_MEMORY_MB && value.SIGHTLINE_GALLERY_MEMORY_MB * 1_000_000,
    falseMatchRate: value.SIGHTLINE_FALSE_MATCH_RATE,
    falsePositiveRate: value.SIGHTLINE_FALSE_POSITIVE_RATE,
    publicUrl: value.SIGHTLINE_PUBLIC_URL,
    certificateAuthority: authorityFrom(value),
    deviceCertificateMs: value.SIGHTLINE_DEVICE_CERTIFICATE_DAYS * 86_400_000,
    edgeCacheLeaseMs: value.SIGHTLINE_CACHE_LEASE_HOURS * 3_600_000,
    webhooks: { privateNetworks: value.SIGHTLINE_WEBHOOK_PRIVATE_NETWORKS === 'true' },
    inferenceWorkers: value.SIGHTLINE_INFERENCE_WORKERS,
    ...parts,
  };
}

function tlsFrom(value: z.output<typeof environmentSchema>): CertificateFiles | undefined {
  const { SIGHTLINE_MQTT_CA: ca, SIGHTLINE_MQTT_CERTIFICATE: certificate, SIGHTLINE_MQTT_KEY: key } = value;
  return (ca ?? certificate ?? key) === undefined ? undefined : { ca, certificate, key };
}

function sharedFrom(value: z.output<typeof environmentSchema>): SharedConsumption | undefined {
  const { SIGHTLINE_MQTT_SHARED_GROUP: group, SIGHTLINE_INSTANCE: instance } = value;
  return group === undefined || instance === undefined ? undefined : { group, instance };
}

function authorityFrom(value: z.output<typeof environmentSchema>): CloudApiConfig['certificateAuthority'] {
  const { SIGHTLINE_CA_CERTIFICATE: certificate, SIGHTLINE_CA_KEY: key } = value;
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

/** Every environment variable that is read, for `--help`. */
export const environmentKeys: readonly string[] = Object.keys(environmentShape.shape);
