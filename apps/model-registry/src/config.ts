import { parseConfiguration } from '@sightline/host';
import type { Clock, Logger } from '@sightline/kernel';
import { identityProviderEnvironment, identityProviderFrom, trustworthyUrlSchema } from '@sightline/rest-server';
import { z } from 'zod';

import type { AccessConfig } from './access/authentication.js';
import type { WorkLimits } from './optimisation/work-protocol.js';

/** What a running model registry needs to know. Parsed once; everything inside trusts it. */
export interface ModelRegistryConfig {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The address that devices reach this program by. Default: the one that it listens on. */
  readonly publicUrl?: string | undefined;
  /** The signed repository and, for a demonstration, its keys. */
  readonly dataDirectory: string;
  /** Holds the passphrase of the online keys, where a ceremony has made some. */
  readonly keyPassphraseFile?: string | undefined;
  /** Where the default models are kept; may be shared with other programs. */
  readonly modelStoreDirectory: string;
  /** PostgreSQL connection string. */
  readonly databaseUrl: string;
  readonly mqtt: { readonly url: string; readonly username: string; readonly password: string };
  readonly access: AccessConfig;
  /** Where jobs wait. Default: in PostgreSQL. */
  readonly redisUrl?: string | undefined;
  /** Images of known people that models are evaluated on (docs/evaluation.md). Without them nothing is evaluated. */
  readonly evaluationDataDirectory?: string | undefined;
  /** What work on one model may take. */
  readonly modelWork: WorkLimits;
  /** How many devices may be downloading a release at once, by rollouts. Default: 50. */
  readonly rolloutDownloads?: number | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  /** Stops a start that is under way, the fetching of models included. */
  readonly signal?: AbortSignal | undefined;
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

const environmentSchema = z
  .object({
    SIGHTLINE_HOST: z.string().min(1).default('127.0.0.1'),
    SIGHTLINE_PORT: z.coerce.number().int().min(0).max(65_535).default(8081),
    SIGHTLINE_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
    SIGHTLINE_DATA_DIRECTORY: z.string().min(1),
    SIGHTLINE_MODEL_STORE_DIRECTORY: z.string().min(1),
    SIGHTLINE_KEY_PASSPHRASE_FILE: z.string().min(1).optional(),
    SIGHTLINE_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
    SIGHTLINE_MQTT_URL: z.url({ protocol: /^mqtts?$/ }),
    SIGHTLINE_MQTT_USERNAME: z.string().min(1),
    SIGHTLINE_MQTT_PASSWORD: z.string().min(1),
    SIGHTLINE_ROLLOUT_DOWNLOADS: z.coerce.number().int().min(1).max(100_000).optional(),
    SIGHTLINE_CLOUD_API_URL: trustworthyUrlSchema.optional(),
    ...identityProviderEnvironment,
    SIGHTLINE_REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
    SIGHTLINE_EVALUATION_DATA_DIRECTORY: z.string().min(1).optional(),
    SIGHTLINE_MODEL_WORK_MEGABYTES: z.coerce.number().int().min(256).default(2048),
    SIGHTLINE_MODEL_WORK_MINUTES: z.coerce.number().int().min(1).default(60),
  })
  .refine((value) => loopback.has(value.SIGHTLINE_HOST) || value.SIGHTLINE_PUBLIC_URL !== undefined, {
    path: ['SIGHTLINE_PUBLIC_URL'],
    message: 'required when SIGHTLINE_HOST is not a loopback address: devices are told this address',
    // Also when another key is bad, so that every bad key is named at once.
    when: () => true,
  });

/**
 * Reads the configuration from the environment.
 *
 * @throws AppError `CONFIG.INVALID` that names every bad key (never its value), or half an identity provider
 */
export function configFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  parts: Pick<ModelRegistryConfig, 'log' | 'clock' | 'signal'>,
): ModelRegistryConfig {
  const value = parseConfiguration(environmentSchema, environment);
  return {
    host: value.SIGHTLINE_HOST,
    port: value.SIGHTLINE_PORT,
    publicUrl: value.SIGHTLINE_PUBLIC_URL,
    dataDirectory: value.SIGHTLINE_DATA_DIRECTORY,
    keyPassphraseFile: value.SIGHTLINE_KEY_PASSPHRASE_FILE,
    modelStoreDirectory: value.SIGHTLINE_MODEL_STORE_DIRECTORY,
    databaseUrl: value.SIGHTLINE_DATABASE_URL,
    mqtt: {
      url: value.SIGHTLINE_MQTT_URL,
      username: value.SIGHTLINE_MQTT_USERNAME,
      password: value.SIGHTLINE_MQTT_PASSWORD,
    },
    rolloutDownloads: value.SIGHTLINE_ROLLOUT_DOWNLOADS,
    access: { cloudApiUrl: value.SIGHTLINE_CLOUD_API_URL, identityProvider: identityProviderFrom(value) },
    redisUrl: value.SIGHTLINE_REDIS_URL,
    evaluationDataDirectory: value.SIGHTLINE_EVALUATION_DATA_DIRECTORY,
    modelWork: {
      memoryBytes: value.SIGHTLINE_MODEL_WORK_MEGABYTES * 2 ** 20,
      deadlineMs: value.SIGHTLINE_MODEL_WORK_MINUTES * 60_000,
    },
    ...parts,
  };
}

/** Every environment variable that is read, for `--help`. */
export const environmentKeys: readonly string[] = Object.keys(environmentSchema.shape);
