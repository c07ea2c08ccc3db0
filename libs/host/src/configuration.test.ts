import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { isAppError, type AppError } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { parseConfiguration, readConfiguration } from './configuration.js';

const schema = z
  .object({
    port: z.coerce.number().int().max(65_535).default(8080),
    url: z.url({ protocol: /^mqtts?$/ }),
    key: z.string().min(24),
    cameras: z.array(z.object({ source: z.discriminatedUnion('kind', [z.object({ kind: z.literal('folder') })]) })),
  })
  .strict();
const good = { url: 'mqtt://broker', key: 'k'.repeat(24), cameras: [{ source: { kind: 'folder' } }] };

const refusalOf = (attempt: () => unknown): AppError => {
  try {
    attempt();
  } catch (error) {
    if (isAppError(error, 'CONFIG.INVALID')) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('a configuration', () => {
  it('is taken with its defaults', () => {
    expect(parseConfiguration(schema, good)).toEqual({ ...good, port: 8080 });
  });

  it('is refused with the name of every bad key and what is wrong with it, and without a value', () => {
    const bad = {
      port: '70001',
      url: 'http://hunter2@broker',
      key: 'hunter2',
      cameras: [{ source: { kind: 'hunter2' } }],
      surprise: 'hunter2',
    };
    const { message, details } = refusalOf(() => parseConfiguration(schema, bad));
    const keys = ['port', 'url', 'key', 'cameras.0.source.kind', 'surprise'];
    expect(details.keys).toEqual(keys);
    expect(message.split('\n')).toHaveLength(1 + keys.length);
    for (const key of keys) expect(message).toMatch(new RegExp(`^  ${key}: .{8,}$`, 'm'));
    expect(message).not.toMatch(/hunter2|70001/);
  });

  it('is refused by the name that it is given, also as a whole', () => {
    const { message, details } = refusalOf(() => parseConfiguration(schema, 'hunter2', 'The script'));
    expect(message).toMatch(/^The script is not valid:\n {2}\(the whole\): .*expected object/);
    expect(details.keys).toEqual(['(the whole)']);
  });
});

describe('a configuration file', () => {
  let path: string;
  beforeEach(() => {
    path = join(mkdtempSync(join(tmpdir(), 'sightline-configuration-')), 'config.json');
  });
  afterEach(() => rmSync(join(path, '..'), { recursive: true, force: true }));

  it('is read and checked, and refused by its path', () => {
    writeFileSync(path, JSON.stringify(good));
    expect(readConfiguration(path, schema)).toMatchObject(good);
    writeFileSync(path, JSON.stringify({ ...good, key: 'short' }));
    expect(refusalOf(() => readConfiguration(path, schema)).message).toContain(`${path} is not valid:\n  key: `);
  });

  it('that is not there or is no JSON is refused, nothing of it quoted', () => {
    expect(refusalOf(() => readConfiguration(path, schema)).message).toMatch(/cannot be read: ENOENT/);
    writeFileSync(path, '{"password": hunter2}');
    const refusal = refusalOf(() => readConfiguration(path, schema));
    expect(refusal).toMatchObject({ message: `${path} cannot be read as JSON.`, details: { path } });
    expect(refusal.cause).toBeUndefined();
  });
});
