import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { silentLogger } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { openWorkspace, sweepWorkspaces } from './workspace.js';

let temporary: string;

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'sightline-workspace-'));
  vi.stubEnv('TMPDIR', temporary);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(temporary, { recursive: true, force: true });
});

const DEAD_OWNER = JSON.stringify({ pid: 2 ** 22 + 1, startedAt: '1' });

describe('the directory of a demo', () => {
  it('is one demo’s alone; a named one stays, with what is in it', async () => {
    const named = join(temporary, 'kept');
    const workspace = await openWorkspace(named, silentLogger);
    await writeFile(workspace.path('outbox.db'), '');
    await expect(openWorkspace(named, silentLogger)).rejects.toMatchObject({ code: 'DEMO.IN_USE' });
    await workspace.close();
    expect(await readdir(named)).toEqual(['outbox.db']);
  });

  it('is refused when something is in it', async () => {
    const named = join(temporary, 'used');
    await mkdir(named);
    await writeFile(join(named, 'hub.json'), '{}');
    await expect(openWorkspace(named, silentLogger)).rejects.toMatchObject({ code: 'DEMO.DIRECTORY_NOT_EMPTY' });
    expect(await readdir(named)).toEqual(['hub.json']);
  });

  it('goes with its demo when it is a temporary one', async () => {
    const workspace = await openWorkspace(undefined, silentLogger);
    expect(dirname(workspace.directory)).toBe(temporary);
    await workspace.close();
    await expect(access(workspace.directory)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is swept away when a killed demo left it; a living one’s and one that is being made are not', async () => {
    const left = join(temporary, 'sightline-demo-left');
    const beingMade = join(temporary, 'sightline-demo-made');
    for (const directory of [left, beingMade]) await mkdir(directory);
    await writeFile(join(left, 'demo.lock'), DEAD_OWNER);
    const living = await openWorkspace(undefined, silentLogger);
    await sweepWorkspaces(silentLogger);
    expect((await readdir(temporary)).map((name) => join(temporary, name)).sort()).toEqual(
      [beingMade, living.directory].sort(),
    );
    await living.close();
  });
});
