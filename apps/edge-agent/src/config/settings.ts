import { z } from 'zod';

import { edgeAgentConfigSchema } from './config.js';

/** What a value looks like in an environment variable: JSON for objects and for lists of anything but strings. */
export type SettingKind = 'text' | 'number' | 'boolean' | 'list' | 'json';

/** One key of the configuration, as the environment sees it. */
export interface Setting {
  readonly path: readonly string[];
  readonly variable: string;
  readonly kind: SettingKind;
}

/** Every variable of the agent's configuration begins so. */
export const VARIABLE_PREFIX = 'SIGHTLINE_EDGE_';

/** The part of a JSON Schema that is looked at. */
interface Node {
  readonly type?: string;
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

/** The JSON Schema (2020-12) of a configuration file, for editors and for what makes such files. */
export function configurationJsonSchema(): object {
  const schema = z.toJSONSchema(edgeAgentConfigSchema, { io: 'input', unrepresentable: 'any' });
  const { properties = {}, required = [] } = schema;
  const provisioningFile = { type: 'string', description: 'In the place of provisioning: the file that holds it.' };
  return {
    ...schema,
    title: 'Sightline edge agent',
    properties: { ...properties, provisioningFile },
    required: required.filter((key) => key !== 'provisioning'),
    anyOf: [{ required: ['provisioning'] }, { required: ['provisioningFile'] }],
  };
}

/**
 * The environment variables of the configuration, derived from its schema: `delivery.maximumWindow` is
 * `SIGHTLINE_EDGE_DELIVERY_MAXIMUM_WINDOW`. An object or a list can also be given as a whole.
 */
export function environmentSettings(): readonly Setting[] {
  const schema = z.toJSONSchema(edgeAgentConfigSchema, { io: 'input', unrepresentable: 'any' });
  const definitions = (schema.$defs ?? {}) as Readonly<Record<string, Node>>;
  const resolve = (node: Node): Node => {
    const name = node.$ref?.split('/').at(-1);
    return name === undefined ? node : (definitions[name] ?? node);
  };
  const walk = (node: Node, path: readonly string[]): readonly Setting[] => {
    const here = resolve(node);
    const children = Object.entries(here.properties ?? {}).flatMap(([key, child]) => walk(child, [...path, key]));
    if (path.length === 0) return children;
    const variable = VARIABLE_PREFIX + path.map(screamingSnake).join('_');
    return [{ path, variable, kind: kindOf(here, resolve) }, ...children];
  };
  return walk(schema as Node, []);
}

function kindOf({ type, items }: Node, resolve: (node: Node) => Node): SettingKind {
  if (type === 'string') return 'text';
  if (type === 'number' || type === 'integer') return 'number';
  if (type === 'boolean') return 'boolean';
  return type === 'array' && items && resolve(items).type === 'string' ? 'list' : 'json';
}

function screamingSnake(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
