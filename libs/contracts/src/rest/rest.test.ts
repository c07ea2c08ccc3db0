import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import * as rest from './index.js';

const accepts = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success;

describe('createPersonSchema', () => {
  it('trims, and takes a name in any script of up to 200 characters', () => {
    expect(rest.createPersonSchema.parse({ name: '  Zoë 張  ', externalId: ' e-1 ' })).toEqual({
      name: 'Zoë 張',
      externalId: 'e-1',
    });
    expect(accepts(rest.createPersonSchema, { name: 'x'.repeat(200) })).toBe(true);
  });

  it.each([
    {},
    { name: '' },
    { name: '   ' },
    { name: 7 },
    { name: 'x'.repeat(201) },
    { name: 'Ada', externalId: '' },
    { name: 'Ada', externalId: null },
    { name: 'Ada', role: 'admin' },
    null,
    [],
    'Ada',
  ])('refuses %j', (value) => expect(accepts(rest.createPersonSchema, value)).toBe(false));
});

describe('createDeviceSchema', () => {
  it.each([
    [{ id: 'box-1', siteId: 'lobby' }, true],
    [{ id: 'a'.repeat(64), siteId: '1' }, true],
    [{ id: 'a'.repeat(65), siteId: 'lobby' }, false],
    [{ id: 'Box', siteId: 'lobby' }, false],
    [{ id: 'a/b', siteId: 'lobby' }, false],
    [{ id: '+', siteId: 'lobby' }, false],
    [{ id: 'box-', siteId: 'lobby' }, false],
    [{ id: 'box' }, false],
  ])('judges %j as %s', (value, expected) => expect(accepts(rest.createDeviceSchema, value)).toBe(expected));
});

describe('pageQuerySchema', () => {
  it('reads numbers as a query string has them, with a default', () => {
    expect(rest.pageQuerySchema.parse({})).toEqual({ limit: 50 });
    expect(rest.pageQuerySchema.parse({ limit: '500', cursor: 'abc' })).toEqual({ limit: 500, cursor: 'abc' });
  });

  it.each(['0', '501', '-1', '1.5', 'ten', 'NaN', 'Infinity', ''])('refuses the limit %j', (limit) =>
    expect(accepts(rest.pageQuerySchema, { limit })).toBe(false),
  );

  it('refuses a cursor that no page has given', () => {
    expect(accepts(rest.pageQuerySchema, { cursor: 'x'.repeat(201) })).toBe(false);
  });
});

describe('sightingQuerySchema', () => {
  it('takes every filter at once', () => {
    const query = {
      deviceId: 'box-1',
      personId: '0190a5c8-0000-7000-8000-000000000001',
      outcome: 'unknown',
      from: '2030-01-01T00:00:00Z',
      to: '2030-01-02T00:00:00.5Z',
    };
    expect(rest.sightingQuerySchema.parse(query)).toEqual({ ...query, limit: 50 });
  });

  it.each([
    { outcome: 'maybe' },
    { personId: 'ada' },
    { from: '2030-01-01' },
    { from: '2030-01-01T00:00:00+01:00' },
    { device: 'box-1' },
  ])('refuses %j', (query) => expect(accepts(rest.sightingQuerySchema, query)).toBe(false));
});

describe('verifyQuerySchema', () => {
  it('reads a rate as a query string has it, and takes only photos of one face unless told otherwise', () => {
    expect(rest.verifyQuerySchema.parse({})).toEqual({ face: 'only' });
    expect(rest.verifyQuerySchema.parse({ falseMatchRate: '1e-4', face: 'largest' })).toEqual({
      falseMatchRate: 1e-4,
      face: 'largest',
    });
  });

  it.each(['0', '-0.1', '1.1', 'NaN', 'Infinity', 'low', ''])('refuses the rate %j', (falseMatchRate) =>
    expect(accepts(rest.verifyQuerySchema, { falseMatchRate })).toBe(false),
  );
});

describe('templateSchema', () => {
  const template = {
    ...{ modelSpace: 'space', keyId: 'ab'.repeat(16), variantDigest: 'cd'.repeat(32), codec: 'int8' },
    ...{ scale: 0.01, dimension: 4, data: 'AQID/w==', quality: 0.9 },
  };

  it('takes back what it gives out', () => expect(rest.templateSchema.parse(template)).toEqual(template));

  it.each([
    { codec: 'float32' },
    { keyId: 'AB'.repeat(16) },
    { variantDigest: '' },
    { dimension: 0 },
    { dimension: 4097 },
    { data: 'AQID/w=' },
    { data: 'A'.repeat(10_928) },
    { scale: Infinity },
    { quality: 1.1 },
    { name: 'Ada' },
  ])('refuses %j', (changes) => expect(accepts(rest.templateSchema, { ...template, ...changes })).toBe(false));
});

describe('every schema of the interface', () => {
  it('has its own component name for OpenAPI, and can be written as JSON schema', () => {
    const ids: string[] = [];
    for (const schema of Object.values(rest)) {
      if (!(schema instanceof z.ZodType)) continue;
      expect(() => z.toJSONSchema(schema, { io: 'input' })).not.toThrow();
      const id = z.globalRegistry.get(schema)?.id;
      if (id) ids.push(id);
    }
    expect(ids.length).toBeGreaterThan(10);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
