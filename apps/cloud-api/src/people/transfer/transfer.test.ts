import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import type { rest } from '@sightline/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { toRestTemplate } from '../../faces/wire.js';
import { TemplateKeys } from '../../template-keys/template-keys.js';
import { axis, DIMENSION, templateOf } from '../../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../../testing/test-cloud.js';
import { linesOf } from './transfer-lines.js';

let cloud: TestCloud;
let file: string;

const post = (url: string, payload: object) => cloud.request({ method: 'POST', url, payload });
const exported = async () => (await cloud.request({ url: '/v1/people/export' })).body;
const send = (payload: string | Buffer) =>
  cloud.request({
    ...{ method: 'POST', url: '/v1/people/import', payload },
    headers: { 'content-type': 'application/x-ndjson' },
  });
const imported = async (payload: string) => (await send(payload)).json<rest.ImportResult>();
const linesIn = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as rest.TransferLine);
const textOf = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

beforeAll(async () => {
  cloud = await startTestCloud();
  const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
  await post('/v1/groups', { id: 'staff', name: 'Staff', kind: 'group', description: 'Everybody who works here.' });
  const add = async (payload: object, axes: readonly number[]): Promise<string> => {
    const { id } = (await post('/v1/people', payload)).json<rest.Person>();
    for (const index of axes) {
      const template = toRestTemplate(
        templateOf(axis(index), protector, { codec: index % 2 === 0 ? 'int8' : 'float16' }),
      );
      await post(`/v1/people/${id}/templates`, { template });
    }
    return id;
  };
  await add({ name: 'Ada', externalId: 'E-1', sites: ['gate'], groups: ['staff'] }, [0, 1]);
  await add({ name: 'Без номера' }, [2]);
  await add({ name: 'Without a face', externalId: 'E-3' }, []);
  const merged = await add({ name: 'Merged away' }, [3]);
  const into = await add({ name: 'Stays' }, []);
  await post(`/v1/people/${into}/merge`, { from: merged });
  file = await exported();
});
afterAll(() => cloud.stop());

describe('an export', () => {
  it('has groups and people with their templates, between a head and an end', () => {
    const lines = linesIn(file);
    expect(lines.map(({ kind }) => kind)).toEqual(['head', 'group', 'person', 'person', 'person', 'person', 'end']);
    expect(lines.at(-1)).toEqual({ kind: 'end', people: 4 });
    expect(lines[1]).toMatchObject({ group: { id: 'staff', name: 'Staff' } });
    expect(lines[2]).toMatchObject({ name: 'Ada', externalId: 'E-1', sites: ['gate'], groups: ['staff'] });
    const templates = lines.map((line) => (line.kind === 'person' ? line.templates.length : 0));
    expect(templates).toEqual([0, 0, 2, 1, 0, 1, 0]);
  });

  it('comes back the same after everybody was erased, and changes nothing when it is imported again', async () => {
    expect(await imported(file)).toEqual({
      ...{ added: 0, completed: 0, unchanged: 4, templates: 0, refused: 0, refusals: [] },
    });
    const { items } = (await cloud.request({ url: '/v1/people' })).json<rest.PersonPage>();
    for (const { id } of items) await cloud.request({ method: 'DELETE', url: `/v1/people/${id}` });
    await cloud.request({ method: 'DELETE', url: '/v1/groups/staff' });
    expect(await imported(file)).toMatchObject({ added: 4, templates: 4, refused: 0 });
    const withoutIds = (text: string) =>
      linesIn(text).map((line) => {
        if (line.kind === 'head') return { ...line, exportedAt: '' };
        if (line.kind !== 'person') return line;
        const templates = line.templates.map((template) => ({ ...template, id: '', createdAt: '' }));
        return { ...line, id: '', createdAt: '', templates };
      });
    expect(withoutIds(await exported())).toEqual(withoutIds(file));
    // Also those without an external id are known again.
    expect(await imported(file)).toMatchObject({ added: 0, unchanged: 4 });
    expect(await readdir(join(cloud.config.dataDirectory, 'imports'))).toEqual([]);
  });

  it('completes people who lack some of its templates', async () => {
    await cloud.api.database.pool.query('DELETE FROM cloud.template WHERE codec = $1', ['float16']);
    expect(await imported(file)).toMatchObject({ added: 0, completed: 2, unchanged: 2, templates: 2 });
  });

  it('of another key or model space is refused', async () => {
    const [head, ...others] = linesIn(file);
    const foreignKey = textOf([{ ...head, keyId: 'ab'.repeat(16) }, ...others]);
    expect((await send(foreignKey)).json()).toMatchObject({ status: 409, code: 'TEMPLATE.FOREIGN_KEY' });
    const foreignSpace = textOf([{ ...head, modelSpace: 'another' }, ...others]);
    expect((await send(foreignSpace)).json()).toMatchObject({ status: 409, code: 'TEMPLATE.FOREIGN_SPACE' });
    const foreignTemplate = others.map((line) =>
      line.kind === 'person' && line.name === 'Ada'
        ? { ...line, templates: line.templates.map((template) => ({ ...template, modelSpace: 'another' })) }
        : line,
    );
    expect(await imported(textOf([head ?? {}, ...foreignTemplate]))).toMatchObject({
      ...{ added: 0, refused: 2 },
      refusals: [
        { line: 3, code: 'TEMPLATE.FOREIGN_SPACE' },
        { line: 3, code: 'TEMPLATE.FOREIGN_SPACE' },
      ],
    });
  });

  it('that is damaged is told so, line by line where possible', async () => {
    const [head = {}, ...others] = linesIn(file);
    const broken = textOf([head, { kind: 'person', name: 'No id' }, ...others]);
    expect(await imported(broken)).toMatchObject({ refused: 1, refusals: [{ line: 2, code: 'REQUEST.INVALID' }] });
    const code = 'IMPORT.INVALID';
    for (const payload of ['', '{}', 'text', textOf(others), textOf([head, ...others.slice(0, -1)])]) {
      expect((await send(payload)).json(), payload.slice(0, 20)).toMatchObject({ status: 422, code });
    }
    expect((await send(Buffer.from([...Buffer.from(textOf([head])), 0xff]))).json()).toMatchObject({ code });
    expect((await post('/v1/people/import', {})).json()).toMatchObject({ code: 'REQUEST.UNSUPPORTED_MEDIA_TYPE' });
  });
});

describe('lines', () => {
  it('are put together from whatever pieces they come in', async () => {
    const text = 'one\n\nzwölf\r\nlast';
    const bytes = Buffer.from(text);
    for (let size = 1; size < bytes.length; size += 1) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const lines: unknown[] = [];
      for await (const line of linesOf(Readable.from(pieces))) lines.push(line);
      expect(lines).toEqual([
        [1, 'one'],
        [3, 'zwölf'],
        [4, 'last'],
      ]);
    }
    const endless = Readable.from(Array.from({ length: 6 }, () => Buffer.alloc(1024 * 1024, 'a')));
    await expect(linesOf(endless).next()).rejects.toMatchObject({ code: 'IMPORT.INVALID' });
  });
});
