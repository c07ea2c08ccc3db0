import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { readConfiguration } from '@sightline/host';
import { AppError, isAppError, type Logger } from '@sightline/kernel';
import { z } from 'zod';

import { parseEdgeAgentConfig, type EdgeAgentConfig } from './config.js';
import { readEnvironment, type EnvironmentValue } from './environment.js';

/** What was told from where, before defaults: the later wins. */
export interface ConfigurationLayers {
  readonly file: Readonly<Record<string, unknown>>;
  readonly environment: readonly EnvironmentValue[];
}

/**
 * Reads the configuration: the environment wins over the file, the file over the defaults. Relative paths in the file
 * start at the file's folder. What the cloud desires wins over all of them for the keys that it may set, later.
 *
 * @throws AppError `CONFIG.INVALID` naming every bad key and variable
 */
export function loadEdgeAgentConfig(path: string, environment: NodeJS.ProcessEnv, log: Logger): EdgeAgentConfig {
  return loadConfiguration(path, environment, log).config;
}

/** As {@link loadEdgeAgentConfig}, with what was told from where. */
export function loadConfiguration(
  path: string,
  environment: NodeJS.ProcessEnv,
  log: Logger,
): { readonly config: EdgeAgentConfig; readonly layers: ConfigurationLayers } {
  const { values, problems } = readEnvironment(environment);
  const named = new Set(values.map(({ path: [top] }) => top));
  const file = withProvisioning(withAbsolutePaths(readJson(path), dirname(resolve(path))), named, log);
  for (const { file: secretFile } of values) if (secretFile !== undefined) warnIfReadable(secretFile, log);
  const layers = { file, environment: values };
  return { config: parseMerged(merge(layers), problems), layers };
}

/** Everything that is wrong at once: with the environment itself, and with what came of it. */
function parseMerged(
  document: unknown,
  problems: readonly { readonly key: string; readonly message: string }[],
): EdgeAgentConfig {
  if (problems.length === 0) return parseEdgeAgentConfig(document);
  const lines = ['The environment is not valid:', ...problems.map(({ key, message }) => `  ${key}: ${message}`)];
  const keys = problems.map(({ key }) => key);
  try {
    parseEdgeAgentConfig(document);
  } catch (error) {
    if (!isAppError(error, 'CONFIG.INVALID')) throw error;
    lines.push(error.message);
    keys.push(...((error.details.keys as readonly string[] | undefined) ?? []));
  }
  throw new AppError('CONFIG.INVALID', lines.join('\n'), { details: { keys } });
}

type Tree = Record<string, unknown>;

function merge({ file, environment }: ConfigurationLayers): Tree {
  const merged = structuredClone(file) as Tree;
  for (const { path, value } of environment) {
    let at = merged;
    for (const key of path.slice(0, -1)) at = at[key] = isTree(at[key]) ? at[key] : {};
    at[path.at(-1) ?? ''] = value;
  }
  return merged;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Puts the provisioning file's content in its place, unless the environment brings another whole. */
function withProvisioning({ provisioningFile, ...rest }: Tree, named: ReadonlySet<unknown>, log: Logger): Tree {
  if (typeof provisioningFile !== 'string')
    return provisioningFile === undefined ? rest : { ...rest, provisioningFile };
  if (named.has('provisioning') && statSync(provisioningFile, { throwIfNoEntry: false }) === undefined) return rest;
  warnIfReadable(provisioningFile, log);
  return { ...rest, provisioning: readJson(provisioningFile) };
}

const pathsSchema = z.looseObject({
  dataDirectory: z.string().optional(),
  provisioningFile: z.string().optional(),
  cache: z.looseObject({ keyFile: z.string().optional() }).optional(),
  cameras: z
    .array(
      z.looseObject({
        source: z
          .looseObject({
            directory: z.string().optional(),
            script: z.string().optional(),
            truthJournal: z.string().optional(),
            path: z.string().optional(),
            device: z.string().optional(),
          })
          .optional(),
      }),
    )
    .optional(),
});

function withAbsolutePaths(document: Record<string, unknown>, base: string): Record<string, unknown> {
  const parsed = pathsSchema.safeParse(document);
  // Whatever is wrong is told by the real schema, with everything else that is wrong.
  if (!parsed.success) return document;
  const absolute = <T extends object>(object: T, ...keys: (keyof T)[]): T => {
    const changed = keys.flatMap((key) => {
      const value = object[key];
      return typeof value === 'string' ? [[key, resolve(base, value)] as const] : [];
    });
    return { ...object, ...Object.fromEntries(changed) };
  };
  const { cameras, cache, ...top } = absolute(parsed.data, 'dataDirectory', 'provisioningFile');
  const located = cameras?.map(({ source, ...camera }) =>
    source ? { ...camera, source: absolute(source, 'directory', 'script', 'truthJournal', 'path', 'device') } : camera,
  );
  return { ...top, ...(cache && { cache: absolute(cache, 'keyFile') }), ...(located && { cameras: located }) };
}

function readJson(path: string): Record<string, unknown> {
  return readConfiguration(path, z.record(z.string(), z.unknown()));
}

function warnIfReadable(path: string, log: Logger): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o077) !== 0) {
    log.warn({ code: 'CONFIG.SECRET_READABLE', path }, 'others can read the provisioning file: make it 0600');
  }
}
