import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createOnce } from './create-once.js';
import { moveFileDurably, writeFileDurably, writeFileDurablySync } from './durable-file.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sightline-durable-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe.each([
  ['writeFileDurably', writeFileDurably],
  ['writeFileDurablySync', async (...of: Parameters<typeof writeFileDurably>) => writeFileDurablySync(...of)],
])('%s', (_, write) => {
  it('creates and replaces a file, and leaves nothing beside it', async () => {
    const path = join(directory, 'state.json');
    await write(path, 'one');
    await write(path, new Uint8Array([50]));
    expect(await readFile(path, 'utf8')).toBe('2');
    expect(await readdir(directory)).toEqual(['state.json']);
  });

  it('goes on after a crash that left a longer beginning, of another mode', async () => {
    const path = join(directory, 'secret');
    await writeFile(`${path}.tmp`, 'a much longer beginning', { mode: 0o644 });
    await write(path, 'new', 0o600);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await modeOf(path)).toBe(0o600);
  });

  it('keeps what is there when the new content cannot be put in its place', async () => {
    const path = join(directory, 'folder');
    await mkdir(join(path, 'full'), { recursive: true });
    await expect(write(path, 'x')).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(await readdir(directory)).toEqual(['folder']);
  });
});

describe('the others', () => {
  it('make missing folders, move a file over another, and create one only once', async () => {
    const path = join(directory, 'a', 'b', 'file');
    await writeFileDurably(path, 'first');
    await writeFileDurably(`${path}.part`, 'second');
    await moveFileDurably(`${path}.part`, path);
    expect(await readFile(path, 'utf8')).toBe('second');
    expect(await createOnce(path, 'third')).toBe(false);
    expect(await createOnce(join(directory, 'other'), 'third')).toBe(true);
    expect(await modeOf(join(directory, 'other'))).toBe(0o600);
    expect(await readFile(path, 'utf8')).toBe('second');
    expect((await readdir(directory)).sort()).toEqual(['a', 'other']);
  });
});
