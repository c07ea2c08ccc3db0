import { randomUUID } from 'node:crypto';

/** As much of JSON Schema as our OpenAPI documents use. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

export interface ApiParameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: JsonSchema;
}

/** One thing that can be asked of an API. */
export interface ApiOperation {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** With its parameters in braces. */
  readonly path: string;
  readonly parameters: readonly ApiParameter[];
  /** Schema of the body, by media type. */
  readonly bodies: Readonly<Record<string, JsonSchema>>;
}

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, JsonSchema>> };
}

interface Operation {
  readonly parameters?: readonly ApiParameter[];
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: JsonSchema }>> };
}

/** Everything that can be asked of an API, from its OpenAPI document: what is added to it is there by itself. */
export function operationsOf({ paths }: ApiDocument): readonly ApiOperation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => ({
      method: method.toUpperCase() as ApiOperation['method'],
      path,
      parameters,
      bodies: Object.fromEntries(
        Object.entries(requestBody?.content ?? {}).map(([type, { schema = {} }]) => [type, schema]),
      ),
    })),
  );
}

export interface ExampleOptions {
  readonly document: ApiDocument;
  /** A whole number from 0 to below its argument. */
  readonly draw: (below: number) => number;
  /** What stands for a property of this name, if anything. */
  readonly known?: (name: string, schema: JsonSchema) => unknown;
  /** Whether properties that need not be there are. */
  readonly optional: boolean;
}

/** A value that fits a schema, as far as a schema says what fits. */
export function exampleOf(schema: JsonSchema, options: ExampleOptions, name = '', depth = 0): unknown {
  const { document, draw, known } = options;
  if (schema.$ref !== undefined) {
    const target = document.components?.schemas?.[schema.$ref.split('/').at(-1) ?? ''] ?? {};
    return exampleOf(target, options, name, depth);
  }
  const choices = schema.enum ?? [];
  const given = known?.(name, schema) ?? schema.const ?? choices[draw(Math.max(1, choices.length))];
  if (given !== undefined) return given;
  const variant = variantOf(schema, draw);
  if (variant !== undefined) return exampleOf(variant, options, name, depth);
  const { allOf } = schema;
  if (allOf !== undefined) return Object.assign({}, ...allOf.map((part) => exampleOf(part, options, name, depth)));
  return ofType(schema, options, name, depth);
}

function variantOf({ properties, anyOf, oneOf }: JsonSchema, draw: ExampleOptions['draw']): JsonSchema | undefined {
  const variants = properties === undefined ? (anyOf ?? oneOf ?? []) : [];
  return variants[draw(Math.max(1, variants.length))];
}

function ofType(schema: JsonSchema, options: ExampleOptions, name: string, depth: number): unknown {
  const { draw } = options;
  switch ([schema.type].flat()[0]) {
    case 'object':
      return objectOf(schema, options, depth);
    case 'array': {
      const length = depth > 4 ? 0 : Math.max(schema.minItems ?? 0, draw(3));
      return Array.from({ length }, () => exampleOf(schema.items ?? {}, options, name, depth + 1));
    }
    case 'integer':
    case 'number': {
      const low = Math.max(schema.minimum ?? 0, -1e6);
      const span = Math.min(schema.maximum ?? low + 100, 1e6) - low;
      return schema.type === 'integer'
        ? Math.ceil(low) + draw(Math.max(1, Math.floor(span)))
        : low + (span * draw(1000)) / 1000;
    }
    case 'boolean':
      return draw(2) === 1;
    case 'string':
      return textOf(schema, draw);
    default:
      return null;
  }
}

function objectOf(schema: JsonSchema, options: ExampleOptions, depth: number): Record<string, unknown> {
  const required = new Set(schema.required ?? []);
  const wanted = Object.entries(schema.properties ?? {}).filter(
    ([name]) => required.has(name) || (options.optional && depth < 4 && options.draw(2) === 1),
  );
  return Object.fromEntries(wanted.map(([name, property]) => [name, exampleOf(property, options, name, depth + 1)]));
}

/** By format, or by the one pattern of the commonest texts that it fits. */
function textOf({ format, pattern, minLength = 1 }: JsonSchema, draw: (below: number) => number): string {
  if (format === 'uuid') return randomUUID();
  if (format === 'date-time') return new Date(Date.UTC(2026, 0, 1 + draw(300))).toISOString();
  if (format === 'date') return new Date(Date.UTC(2026, 0, 1 + draw(300))).toISOString().slice(0, 10);
  // Of documentation (RFC 5737): nobody is there, and nothing is sent there.
  if (format === 'uri') return 'https://192.0.2.1/hook';
  const word = `x${draw(1e6)}`.padEnd(minLength, 'x');
  const candidates = [word, 'ab'.repeat(32), 'ab'.repeat(16), 'QUJD', '12:30', 'UTC', '1', 'A'.repeat(64)];
  const fits = pattern === undefined ? word : candidates.find((text) => new RegExp(pattern, 'u').test(text));
  return fits ?? word;
}
