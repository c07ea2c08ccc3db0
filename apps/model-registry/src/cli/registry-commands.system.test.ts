import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '@sightline/kernel';
import { defaultCatalog } from '@sightline/model-catalog';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestRegistry, type TestRegistry } from '../testing/test-registry.js';
import { addRegistryCommands } from './registry-commands.js';

const { landmarks } = defaultCatalog;

let test: TestRegistry;
let folder: string;
/** Id of a model that is there. */
let imported: string;
beforeAll(async () => {
  test = await startTestRegistry();
  folder = await mkdtemp(join(tmpdir(), 'sightline-cli-'));
}, 120_000);
afterAll(async () => {
  await test.stop();
  await rm(folder, { recursive: true, force: true });
});

/** @returns what a command prints */
async function run(...words: readonly string[]): Promise<string> {
  let printed = '';
  const token = (await test.authorization('admin')).replace(/^Bearer /, '');
  const program = new Command().exitOverride();
  addRegistryCommands(program, {
    environment: { SIGHTLINE_TOKEN: token, SIGHTLINE_REGISTRY_URL: test.registry.url },
    terminal: { out: (text) => (printed += text), err: () => undefined, isInteractive: false },
    clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 50), signal) },
  });
  await program.parseAsync(words, { from: 'user' });
  return printed;
}

describe('the commands', { timeout: 120_000 }, () => {
  it('bring a model in, make a variant of it and put it into a release', async () => {
    const manifest = { task: 'landmarks', name: 'Points', licence: 'MIT', origin: 'https://example.org/points.onnx' };
    await writeFile(join(folder, 'points.json'), JSON.stringify({ ...manifest, spec: landmarks.spec }));
    const file = join(test.config.modelStoreDirectory, `${landmarks.sha256}.onnx`);
    const brought = await run('models', 'import', file, '--manifest', join(folder, 'points.json'));
    expect(brought).toContain(`variant ${landmarks.imported.sha256}`);
    const [, id = ''] = /of model ([0-9a-f-]{36})/.exec(brought) ?? [];
    imported = id;
    const made = JSON.parse(await run('models', 'run', id, 'fp16', '--json')) as { report: { variant: string } };
    expect(await run('models', 'show', id)).toMatch(/imported[^]*fp16/);
    expect(await run('models', 'list')).toContain(id);
    const release = await run('releases', 'assemble', '4.0.0', '--landmarks', made.report.variant);
    expect(release).toContain(made.report.variant.slice(0, 12));
    expect(await run('releases', 'show', '4.0.0')).toBe(release);
    expect(await run('releases', 'list')).toMatch(/4\.0\.0[^]*1\.0\.0/);
    expect(await run('releases', 'policy')).toBe('commercial\n');
    expect(await run('models', 'jobs', 'list')).toMatch(/fp16\s+succeeded\s+100 %/);
    expect(await run('catalog', 'list')).toContain('mobilefacenet-512');
  });

  it('say with the registry’s own code what does not work', async () => {
    await expect(run('releases', 'show', '9.9.9')).rejects.toMatchObject({ code: 'RELEASE.NOT_FOUND' });
    const pruned = run('models', 'run', imported, 'pruned', '--set', 'bytes=few');
    await expect(pruned).rejects.toMatchObject({ code: 'MODEL.NOT_OPTIMISABLE' });
    await expect(run('models', 'jobs', 'cancel', 'x')).rejects.toMatchObject({ code: 'REQUEST.INVALID' });
    await expect(run('models', 'list', '--url', 'http://127.0.0.1:9')).rejects.toMatchObject({
      code: 'SERVICE.UNAVAILABLE',
    });
  });
});
