import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger, systemClock } from '@sightline/kernel';
import { describeTrustedRoot, readTrustedRoot } from '@sightline/release-trust';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { keysCommand } from './keys-command.js';
import { openRepository, repositoryDirectory } from './repository-keys.js';

let folder: string;
let passphrase: string;
let output: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-keys-'));
  passphrase = join(folder, 'passphrase');
  await writeFile(passphrase, 'correct horse\n');
  output = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    output.push(String(chunk));
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

const file = (name: string): string => join(folder, name);
const data = (): string => file('data');
const run = async (...words: readonly string[]): Promise<string> => {
  output = [];
  await keysCommand().parseAsync([...words, '--passphrase-file', passphrase], { from: 'user' });
  return output.join('');
};
const onRegistry = (...words: readonly string[]): Promise<string> => run(...words, '--data-directory', data());
const makeKey = (name: string): Promise<string> => run('create', file(name)).then((said) => said.split(' ')[0] ?? '');
const ceremony = async (...names: readonly string[]): Promise<string> => {
  await onRegistry('request', file('request.json'));
  for (const name of names) await run('sign', file('request.json'), '--key', file(name), '--yes');
  return onRegistry('import', file('request.json'));
};

it('a ceremony, a new root key, another online key, and a renewal', async () => {
  for (const name of ['root-a', 'root-b', 'targets-a', 'targets-b']) await makeKey(name);
  expect((await stat(file('root-a'))).mode & 0o777).toBe(0o600);
  expect(await readFile(file('root-a'), 'utf8')).toContain('ENCRYPTED PRIVATE KEY');
  const publicKeys = (role: string) => [file(`${role}-a.pub`), file(`${role}-b.pub`)];
  await onRegistry('init', '--root', ...publicKeys('root'), '--targets', ...publicKeys('targets'));
  const signing = { dataDirectory: data(), passphraseFile: passphrase, clock: systemClock, log: silentLogger };
  await expect(openRepository(signing)).rejects.toMatchObject({ code: 'RELEASE.AWAITS_SIGNATURES' });
  expect(await onRegistry('status')).toContain('wants   root: 0 of 2 signatures');
  expect(await ceremony('root-a', 'root-b', 'targets-a')).toContain('more are wanted');
  expect(await ceremony('targets-b')).toContain('published');
  const repository = await openRepository(signing);
  const version = async () => describeTrustedRoot(await readTrustedRoot(repositoryDirectory(signing))).version;
  expect(await version()).toBe(1);

  const next = await makeKey('root-c');
  const { root } = await repository.holders();
  const [gone] = root.keys.map(({ keyID }) => keyID);
  await onRegistry('rotate', '--remove', gone ?? '', '--add', file('root-c.pub'));
  expect(await ceremony('root-a', 'root-b', 'root-c')).toContain('published');
  expect((await repository.holders()).root.keys.map(({ keyID }) => keyID)).toContain(next);

  await onRegistry('rotate-online', 'timestamp');
  expect(await ceremony('root-b', 'root-c')).toContain('published');
  await (await openRepository(signing)).keepFresh();
  expect(await version()).toBe(3);

  await onRegistry('renew', '--role', 'targets');
  expect(await onRegistry('status')).toContain('wants   targets: 0 of 2 signatures');
  await onRegistry('withdraw');
  expect(await onRegistry('status')).not.toContain('wants');
});

it('a wrong passphrase, a key that nobody asked, and a file that is there already are refused', async () => {
  await makeKey('root-a');
  await makeKey('root-b');
  await expect(makeKey('root-a')).rejects.toMatchObject({ code: 'RELEASE.KEY_INVALID' });
  const publicKeys = [file('root-a.pub'), file('root-b.pub')];
  const init = (...root: readonly string[]) => onRegistry('init', '--root', ...root, '--targets', ...publicKeys);
  await expect(init(file('root-a.pub'), file('root-a.pub'))).rejects.toMatchObject({ code: 'RELEASE.KEY_INVALID' });
  await init(...publicKeys);
  await onRegistry('request', file('request.json'));
  await makeKey('stranger');
  const sign = (key: string) => run('sign', file('request.json'), '--key', file(key), '--yes');
  await expect(sign('stranger')).rejects.toMatchObject({ code: 'RELEASE.KEY_INVALID' });
  await writeFile(passphrase, 'wrong');
  await expect(sign('root-a')).rejects.toMatchObject({ code: 'RELEASE.KEY_INVALID' });
});
