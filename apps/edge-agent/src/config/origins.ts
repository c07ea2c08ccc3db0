import type { ConfigurationLayers } from './load-config.js';

/** One value of the configuration and where it comes from. */
export interface OriginatedValue {
  /** `delivery.maximumWindow`, `cameras.0.id`. */
  readonly key: string;
  /** For people: secrets masked. */
  readonly shown: string;
  readonly origin: string;
}

const SECRET_KEYS = /(password|passphrase|secret|token|apikey|key)$/i;
/** A value of a header, of an environment: what these hold may be secret, whatever its name. */
const SECRET_PARENTS = /(^|\.)(headers|environment)\./;

/** Every value of a checked configuration, in its order, with the layer that it comes from. */
export function originsOf(
  config: object,
  { file, environment }: ConfigurationLayers,
  desired: ReadonlyMap<string, unknown>,
): readonly OriginatedValue[] {
  return leavesOf(config, []).map(({ path, value }) => {
    const key = path.join('.');
    if (desired.has(key)) return { key, shown: show(key, desired.get(key)), origin: 'desired by the cloud' };
    const variable = environment.findLast(({ path: set }) => set.every((part, index) => path[index] === part));
    if (variable) return { key, shown: show(key, value), origin: variable.variable };
    const origin = isIn(file, path) ? 'file' : 'default';
    return { key, shown: show(key, value), origin };
  });
}

interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
}

function leavesOf(value: unknown, path: readonly string[]): readonly Leaf[] {
  if (typeof value !== 'object' || value === null) return value === undefined ? [] : [{ path, value }];
  const entries = Object.entries(value);
  if (entries.length === 0) return [{ path, value }];
  return entries.flatMap(([key, child]) => leavesOf(child, [...path, key]));
}

/** Whether the file has it, as far as a schema that turns a box into a polygon lets it be followed. */
function isIn(document: unknown, [head, ...rest]: readonly string[]): boolean {
  if (head === undefined) return true;
  if (typeof document !== 'object' || document === null) return document !== undefined;
  if (Array.isArray(document) && !Object.hasOwn(document, head)) return true;
  return Object.hasOwn(document, head) && isIn((document as Record<string, unknown>)[head], rest);
}

function show(key: string, value: unknown): string {
  if (SECRET_KEYS.test(key) || SECRET_PARENTS.test(key)) return '(secret)';
  if (typeof value !== 'string') return JSON.stringify(value);
  if (value.includes('-----BEGIN')) return '(PEM)';
  if (URL.canParse(value) && value.includes('://')) return withoutCredentials(value);
  return value.length > 100 ? `${value.slice(0, 40)}… (${value.length} characters)` : value;
}

/** Scheme, host and path. What follows may hold a token. */
function withoutCredentials(text: string): string {
  const { protocol, host, pathname, username, search } = new URL(text);
  return `${protocol}//${username === '' ? '' : '…@'}${host}${pathname}${search === '' ? '' : '?…'}`;
}
