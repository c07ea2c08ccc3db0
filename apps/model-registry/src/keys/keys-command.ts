import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';

import { AppError, systemClock } from '@sightline/kernel';
import {
  assignmentOf,
  createKeyFile,
  createReleaseRepository,
  describeRequest,
  encodePublicKey,
  onlineHolders,
  parsePublicKey,
  readKey,
  ReleaseRepository,
  roleNames,
  signRequest,
  type RoleName,
} from '@sightline/release-trust';
import { Command, InvalidArgumentError } from 'commander';

import { onlineKeysDirectory, readOnlineKeys, readPassphrase, repositoryDirectory } from './repository-keys.js';

interface Passphrase {
  readonly passphraseFile?: string;
}
interface OnRegistry extends Passphrase {
  readonly dataDirectory: string;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** `sightline-model-registry keys …`: the ceremony of the release keys. */
export function keysCommand(): Command {
  const keys = new Command('keys').description('the keys that sign releases: ceremony, signing and rotation');
  passphraseOption(keys.command('create <file>'))
    .description('make an encrypted key, on the machine of whoever will hold it, and <file>.pub to hand on')
    .action(createKey);
  registryOptions(keys.command('init'))
    .description('begin a repository whose root and targets keys are held elsewhere; makes the online keys here')
    .requiredOption('--root <public key...>', 'public key files of the root, at least as many as the threshold')
    .requiredOption('--targets <public key...>', 'public key files of the targets')
    .option('--threshold <number>', 'signatures that root and targets need', count, 2)
    .action(initialise);
  registryOptions(keys.command('status'))
    .description('what waits for signatures, and when each role has to be signed again')
    .action(showStatus);
  registryOptions(keys.command('request <file>'))
    .description('write what waits for signatures to a file, for those who sign')
    .action(writeRequest);
  passphraseOption(keys.command('sign <request>'))
    .description('sign a request with a key; needs no network and no registry')
    .requiredOption('--key <file>', 'the encrypted key')
    .option('--yes', 'sign without asking')
    .action(sign);
  registryOptions(keys.command('import <request>'))
    .description('take a signed request back, and publish once enough have signed')
    .action(takeSignatures);
  registryOptions(keys.command('withdraw'))
    .description('forget what waits for signatures')
    .action(async (options: OnRegistry) => (await open(options)).withdraw());
  registryOptions(keys.command('rotate'))
    .description('take a key from roles and give them another; both sides sign. Revokes when nothing is added')
    .option('--role <role...>', `default: every role that has the removed key. One of ${roleNames.join(', ')}`, role)
    .option('--remove <key id>', 'the key that goes')
    .option('--add <public key>', 'file of the public key that comes')
    .option('--threshold <number>', 'signatures that the roles need from now on', count)
    .action(rotate);
  registryOptions(keys.command('renew'))
    .description('have the offline roles signed again by their holders, for another term')
    .option('--role <role...>', 'default: all of them', role)
    .action(async (options: RotateOptions) => {
      const roles = options.role ?? roleNames.filter((name) => name !== 'snapshot' && name !== 'timestamp');
      say(`the new term is ${await (await open(options)).changeKeys({ roles })}`);
    });
  registryOptions(keys.command('rotate-online <role>'))
    .description('replace the key of snapshot or timestamp by a new one; the root keys sign the change')
    .action(rotateOnline);
  return keys;
}

async function createKey(file: string, options: Passphrase): Promise<void> {
  const { publicKey } = await createKeyFile(file, await passphraseFor(options));
  await writeFile(`${file}.pub`, encodePublicKey(publicKey));
  say(`${publicKey.keyID}  ${file}`);
}

interface InitOptions extends OnRegistry {
  readonly root: readonly string[];
  readonly targets: readonly string[];
  readonly threshold: number;
}

async function initialise(options: InitOptions): Promise<void> {
  const holders = async (files: readonly string[]) => {
    const keys = await Promise.all(files.map(publicKeyIn));
    if (new Set(keys.map(({ keyID }) => keyID)).size < options.threshold) {
      throw new AppError('RELEASE.KEY_INVALID', 'There are fewer different keys than have to sign.');
    }
    return { keys, threshold: options.threshold };
  };
  const [root, targets] = [await holders(options.root), await holders(options.targets)];
  const passphrase = await passphraseFor(options);
  const directory = onlineKeysDirectory(options);
  const online = {
    snapshot: await createKeyFile(join(directory, 'snapshot.pem'), passphrase),
    timestamp: await createKeyFile(join(directory, 'timestamp.pem'), passphrase),
  };
  const assignment = assignmentOf({ root, targets, ...onlineHolders(online) });
  const repository = { directory: repositoryDirectory(options), clock: systemClock };
  await createReleaseRepository(repository, { signers: Object.values(online), assignment });
  say('The repository waits for its first signatures: keys request, keys sign, keys import.');
}

async function showStatus(options: OnRegistry): Promise<void> {
  const repository = await open(options);
  const { releases, wants } = await repository.staged();
  for (const { version, digest } of releases) say(`staged  release ${version}  ${digest}`);
  for (const { role: name, have, threshold } of wants) say(`wants   ${name}: ${have} of ${threshold} signatures`);
  for (const { role: name, expiresMs, isRenewable } of await repository.expiries()) {
    const how = isRenewable ? 'renewed here' : 'renewed by its holders';
    say(`until   ${new Date(expiresMs).toISOString()}  ${name}, ${how}`);
  }
}

async function writeRequest(file: string, options: OnRegistry): Promise<void> {
  const request = await (await open(options)).signingRequest();
  if (request === undefined) throw new AppError('RELEASE.OTHER_DOCUMENTS', 'Nothing waits for signatures.');
  await writeFile(file, request);
  for (const line of describeRequest(request)) say(line);
}

async function sign(file: string, options: Passphrase & { readonly key: string; readonly yes?: true }): Promise<void> {
  const request = await readFile(file, 'utf8');
  for (const line of describeRequest(request)) say(line);
  if (!options.yes && (await ask('Sign this? [y/N] ', { instead: '--yes' })).toLowerCase() !== 'y') return;
  const key = await readKey(options.key, await passphraseFor(options));
  if (!key) throw new AppError('RELEASE.KEY_INVALID', 'There is no such key file.');
  const signed = signRequest(request, key);
  if (signed.roles.length === 0) throw new AppError('RELEASE.KEY_INVALID', 'Nothing of this is for that key to sign.');
  await writeFile(file, signed.request);
  say(`signed: ${signed.roles.join(', ')}`);
}

async function takeSignatures(file: string, options: OnRegistry): Promise<void> {
  const { added, state } = await (await open(options)).addSignatures(await readFile(file, 'utf8'));
  say(`${added} new signatures: ${state === 'published' ? 'published' : 'more are wanted, see keys status'}`);
}

interface RotateOptions extends OnRegistry {
  readonly role?: readonly RoleName[];
  readonly remove?: string;
  readonly add?: string;
  readonly threshold?: number;
}

async function rotate(options: RotateOptions): Promise<void> {
  const { role: roles, remove, add, threshold } = options;
  const added = add === undefined ? undefined : await publicKeyIn(add);
  const change = {
    ...(roles && { roles }),
    ...(remove !== undefined && { remove }),
    ...(added && { add: added }),
    ...(threshold !== undefined && { threshold }),
  };
  say(`the change is ${await (await open(options)).changeKeys(change)}`);
}

async function rotateOnline(name: string, options: OnRegistry): Promise<void> {
  if (name !== 'snapshot' && name !== 'timestamp') throw new AppError('RELEASE.KEY_INVALID', 'No such online role.');
  const passphrase = await passphraseFor(options);
  const file = `${name}-${new Date(systemClock.wallMs()).toISOString().replaceAll(':', '-')}.pem`;
  const before = (await (await open(options)).holders())[name].keys;
  const { publicKey } = await createKeyFile(join(onlineKeysDirectory(options), file), passphrase);
  const repository = await open(options);
  await repository.changeKeys({ roles: [name], add: publicKey });
  for (const { keyID } of before) await repository.changeKeys({ roles: [name], remove: keyID });
  say('The change waits for the root keys. Start the registry again once it is published.');
}

async function open(options: OnRegistry): Promise<ReleaseRepository> {
  const passphrase = await passphraseFor(options);
  const signers = await readOnlineKeys(onlineKeysDirectory(options), passphrase);
  if (signers.length === 0) {
    throw new AppError('RELEASE.KEY_INVALID', 'There are no online keys in this data directory: keys init makes them.');
  }
  return new ReleaseRepository({ directory: repositoryDirectory(options), clock: systemClock }, { signers });
}

const publicKeyIn = async (file: string) => parsePublicKey(await readFile(file, 'utf8'));

async function passphraseFor({ passphraseFile }: Passphrase): Promise<string> {
  if (passphraseFile !== undefined) return readPassphrase(passphraseFile);
  const given =
    process.env.SIGHTLINE_KEY_PASSPHRASE ??
    (await ask('Passphrase: ', { instead: '--passphrase-file', isSecret: true }));
  if (given === '') throw new AppError('RELEASE.KEY_INVALID', 'A key has a passphrase.');
  return given;
}

interface Question {
  /** The option that makes asking unnecessary. */
  readonly instead: string;
  /** The answer is not shown. */
  readonly isSecret?: boolean;
}

async function ask(question: string, { instead, isSecret = false }: Question): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new AppError('RELEASE.KEY_INVALID', `There is no terminal to ask at: ${instead} does without.`);
  }
  process.stderr.write(question);
  const output = isSecret ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
  }
}

function passphraseOption(command: Command): Command {
  const help = 'holds the passphrase; without it SIGHTLINE_KEY_PASSPHRASE, or the terminal is asked';
  return command.option('--passphrase-file <file>', help);
}

function registryOptions(command: Command): Command {
  const help = 'the SIGHTLINE_DATA_DIRECTORY of the registry';
  return passphraseOption(command.requiredOption('--data-directory <path>', help));
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('A number of signatures.');
  return value;
}

function role(text: string, before: readonly RoleName[] = []): readonly RoleName[] {
  const found = roleNames.find((name) => name === text);
  if (found === undefined) throw new InvalidArgumentError(`One of ${roleNames.join(', ')}.`);
  return [...before, found];
}
