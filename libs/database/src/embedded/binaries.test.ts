import { chmod, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { locateInstalled, provideBinaries } from './binaries.js';
import { chooseServerUser } from './server-user.js';

let base: string;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'sightline-binaries-'));
  await chmod(base, 0o755);
});
afterEach(() => rm(base, { recursive: true, force: true }));

describe('the programs of the embedded server', () => {
  it('are used where they are, or copied once where the server’s user can reach them, whoever starts first', async () => {
    const user = await chooseServerUser();
    const installed = locateInstalled();
    const shut = join(base, 'shut');
    await mkdir(shut, { mode: 0o700 });
    await symlink(installed.native, join(shut, 'native'));
    const unreachable = { ...installed, native: join(shut, 'native') };
    const shared = join(base, 'shared');

    const [first, second] = await Promise.all([
      provideBinaries(user, shared, unreachable),
      provideBinaries(user, shared, unreachable),
    ]);
    expect(first).toEqual(second);
    if (user.uid === undefined) {
      expect(first.postgres.startsWith(shut)).toBe(true);
    } else {
      expect(first.postgres.startsWith(shared)).toBe(true);
      expect(await readdir(join(shared, 'postgresql'))).toHaveLength(1);
    }
  });

  it('are refused with a code when they cannot run here', async () => {
    const user = await chooseServerUser();
    await mkdir(join(base, 'empty'));
    const broken = { native: join(base, 'empty'), version: '0.0.0' };
    await expect(provideBinaries(user, join(base, 'shared'), broken)).rejects.toMatchObject({
      code: 'DATABASE.EMBEDDED_UNSUPPORTED',
    });
  });
});
