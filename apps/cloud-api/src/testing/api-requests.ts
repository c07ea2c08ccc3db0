import { seededIntegers } from '@sightline/kernel';
import {
  exampleOf,
  type ApiDocument,
  type ApiOperation,
  type ExampleOptions,
  type JsonSchema,
} from '@sightline/testing';
import { createHash, randomUUID } from 'node:crypto';

import { multipart } from './photos.js';
import type { TestTenant } from './two-tenants.js';

/** What is asked about: one of the tenant's own ids, or one that nobody has. */
export type Ids = (collection: string, schema: JsonSchema, already: number) => string | undefined;
const isSlug = ({ format }: JsonSchema) => format !== 'uuid';
/** Ids that nobody has. */
export const nobody: Ids = (_, schema) => {
  // An identification: a sighting's id and a revision.
  if (schema.pattern?.includes('}:[') === true) return `${randomUUID()}:1`;
  if (schema.pattern?.endsWith('{64}$') === true) return createHash('sha256').update(randomUUID()).digest('hex');
  return isSlug(schema) ? `nobody-${randomUUID().slice(0, 8)}` : randomUUID();
};
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** The ids of a collection, or of anything else whose id looks the same. */
export function idsOf({ ids }: Pick<TestTenant, 'ids'>, turn: number): Ids {
  return (collection, schema, already) => {
    const { pattern } = schema;
    const fits = (id: string) =>
      pattern === undefined ? isSlug(schema) || uuid.test(id) : new RegExp(pattern).test(id);
    const fitting = (list: readonly string[]) => list.filter(fits);
    const own = fitting(ids.get(collection) ?? []);
    const all = own.length > 0 ? own : fitting([...ids.values()].flat());
    return all[(turn + already) % Math.max(1, all.length)];
  };
}

/** A file that can be read as nothing. */
const noFile = Buffer.from('no image');

const kinds: Readonly<Record<string, string>> = {
  ...{
    personId: '/v1/people',
    from: '/v1/people',
    deviceId: '/v1/devices',
    sightingId: '/v1/sightings',
    groupId: '/v1/groups',
    subscriptionId: '/v1/alert-subscriptions',
    labelledSetId: '/v1/labelled-sets',
  },
};

const isId = (name: string, { format, pattern }: JsonSchema) =>
  name in kinds && (format === 'uuid' || (format === undefined && pattern !== undefined));

/** A request to an operation that asks about some ids, in its path, its query and its body alike. */
export function requestTo(
  document: ApiDocument,
  { method, path, parameters, bodies }: ApiOperation,
  { ids, seed = 1 }: { readonly ids: Ids; readonly seed?: number },
) {
  const used: string[] = [];
  const use = (collection: string, schema: JsonSchema): string => {
    const id = ids(collection, schema, used.length) ?? nobody(collection, schema, 0) ?? '';
    used.push(id);
    return id;
  };
  let url = path;
  for (const { name, schema } of parameters.filter(({ in: place }) => place === 'path')) {
    url = url.replace(`{${name}}`, use(url.slice(0, url.indexOf(`/{${name}}`)), schema));
  }
  const known = (name: string, schema: JsonSchema) => {
    if (isId(name, schema)) return use(kinds[name] ?? '', schema);
    return ['id', 'name', 'label', 'externalId'].includes(name) && schema.type === 'string'
      ? `x${randomUUID().slice(0, 8)}`
      : undefined;
  };
  const options = { document, draw: seededIntegers(seed), known, optional: true };
  const query = parameters
    .filter(({ in: place }) => place === 'query')
    .flatMap(({ name, schema, required = false }): [string, string][] => {
      if (isId(name, schema) || name === 'subjectId') return [[name, use(kinds[name] ?? '/v1/people', schema)]];
      return required ? [[name, String(exampleOf(schema, options, name))]] : [];
    });
  const search = query.length > 0 ? `?${new URLSearchParams(query).toString()}` : '';
  return { request: { method, url: `${url}${search}`, ...contentOf(bodies, options) }, used };
}

/** A body of the kind that says the most: JSON, a form that names somebody, or a file that is none. */
function contentOf(bodies: ApiOperation['bodies'], options: ExampleOptions) {
  const { 'application/json': json, 'multipart/form-data': form, ...files } = bodies;
  if (json) return { payload: exampleOf(json, options) as object };
  const fields = Object.entries(form?.properties ?? {});
  const named = fields.flatMap(([name, schema]) =>
    isId(name, schema) ? [[name, String(options.known?.(name, schema))] as const] : [],
  );
  const [type] = Object.keys(files);
  if (form !== undefined && (named.length > 0 || type === undefined)) {
    const required = fields.filter(([name]) => form.required?.includes(name));
    const [payload, formType] = multipart([...named, ...required.map(([name]) => [name, noFile] as const)]);
    return { payload, headers: { 'content-type': formType } };
  }
  return type !== undefined && { payload: noFile, headers: { 'content-type': type } };
}
