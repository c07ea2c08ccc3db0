import { readFile } from 'node:fs/promises';

import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

type Json = Readonly<Record<string, unknown>>;
type Method = 'get' | 'put' | 'post' | 'patch' | 'delete';

/** Qdrant's own description, which lies beside the project where it lies at all. */
const description = new URL('../../../../../shared/qdrant/openapi-1.18.3.json', import.meta.url);

/** A schema is compiled when it is first needed: all of them together take seconds. */
type Validator = () => ValidateFunction | undefined;

/** Rust's unsigned numbers, and the largest of each that JSON can carry. */
const unsigned = {
  uint8: 2 ** 8 - 1,
  uint32: 2 ** 32 - 1,
  uint64: Number.MAX_SAFE_INTEGER,
  uint: Number.MAX_SAFE_INTEGER,
};

interface Operation {
  readonly segments: readonly string[];
  readonly method: string;
  readonly body: Validator;
  readonly query: ReadonlyMap<string, Validator>;
  readonly success: Validator;
  readonly failure: Validator;
}

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly status: number;
  readonly answer: unknown;
}

/**
 * What Qdrant's OpenAPI description says of a request and its answer. Stricter than the description: a field that it
 * does not know is an error, since Qdrant would ignore it in silence.
 */
export class OpenApiContract {
  readonly #operations: readonly Operation[];

  constructor(document: Json) {
    const ajv = new Ajv({ strict: false, inlineRefs: false, code: { optimize: false } });
    formats.default(ajv);
    ajv.addFormat('partial-date-time', true);
    for (const [name, largest] of Object.entries(unsigned)) {
      ajv.addFormat(name, { type: 'number', validate: (value) => value >= 0 && value <= largest });
    }
    ajv.addSchema({ $id: 'qdrant', components: closed(document.components) as Json });
    const compile = (schema: unknown): Validator => {
      let compiled: ValidateFunction | undefined;
      return () => (schema === undefined ? undefined : (compiled ??= ajv.compile(pointed(closed(schema)) as Json)));
    };
    this.#operations = Object.entries(document.paths as Record<string, Record<string, unknown>>).flatMap(
      ([path, methods]) =>
        Object.entries(methods).map(([method, value]) => operation(path, method as Method, value, compile)),
    );
  }

  /** @returns what is wrong with the exchange; undefined: nothing */
  violation({ method, path, query, body, status, answer }: Exchange): string | undefined {
    const segments = path.split('/').filter((segment) => segment !== '');
    const found = this.#operations.find(
      (each) => each.method === method.toLowerCase() && fits(each.segments, segments),
    );
    if (found === undefined) return `${method} ${path} is not an operation of Qdrant’s`;
    for (const [name, text] of query) {
      const schema = found.query.get(name)?.();
      if (schema === undefined) return `${method} ${path}: unknown parameter ${name}`;
      if (!schema(parameter(text))) return `${method} ${path}: parameter ${name}: ${said(schema)}`;
    }
    const request = found.body();
    if (body !== undefined && request?.(body) !== true) return `${method} ${path}: request: ${said(request)}`;
    const schema = status < 300 ? found.success() : found.failure();
    if (schema !== undefined && !schema(answer)) return `${method} ${path}: answer ${status}: ${said(schema)}`;
    return undefined;
  }
}

/** @returns undefined where the description is not there: the project is built and tested without it, too */
export async function readOpenApiContract(): Promise<OpenApiContract | undefined> {
  const text = await readFile(description, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : new OpenApiContract(JSON.parse(text) as Json);
}

function operation(path: string, method: string, value: unknown, compile: (schema: unknown) => Validator): Operation {
  const { requestBody, responses, parameters } = value as {
    requestBody?: unknown;
    responses?: Readonly<Record<string, unknown>>;
    parameters?: readonly { readonly in: string; readonly name: string; readonly schema: unknown }[];
  };
  const query = (parameters ?? []).filter((parameter) => parameter.in === 'query');
  const validators = query.map(({ name, schema }) => [name, compile(schema)] as const);
  return {
    segments: path.split('/').filter((segment) => segment !== ''),
    method,
    body: compile(jsonSchema(requestBody)),
    query: new Map(validators),
    success: compile(jsonSchema(responses?.['200'])),
    failure: compile(jsonSchema(responses?.['4XX'])),
  };
}

function jsonSchema(holder: unknown): unknown {
  const { content } = (holder ?? {}) as { content?: Readonly<Record<string, { readonly schema?: unknown }>> };
  return content?.['application/json']?.schema;
}

/**
 * OpenAPI 3.0 as JSON schema: `nullable` becomes a type of its own (alone, it would let everything pass), and an object
 * knows no other fields than its own.
 */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { nullable, ...rest } = schema as Readonly<Record<string, unknown>>;
  const mapped: Record<string, unknown> = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, closed(value)]),
  );
  const { properties } = mapped;
  if (mapped.type === 'object' && properties !== undefined) mapped.additionalProperties ??= false;
  if (nullable !== true) return mapped;
  if (Object.keys(mapped).length === 0) return { type: 'null' };
  return { anyOf: [mapped, { type: 'null' }] };
}

/** References from outside of the document into it. */
function pointed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(pointed);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, key === '$ref' ? `qdrant${String(value)}` : pointed(value)]),
  );
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, index) => part.startsWith('{') || part === segments[index])
  );
}

function parameter(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d+$/.test(text) ? Number(text) : text;
}

function said(validate: ValidateFunction | undefined): string {
  const [first] = validate?.errors ?? [];
  return first === undefined ? 'no body is expected' : `${first.instancePath} ${first.message ?? ''}`;
}
