#!/usr/bin/env node
import { errorMessage, isAppError, systemClock, terminationSignal } from '@sightline/kernel';
import { createLogger } from '@sightline/observability';
import { readTrustedRoot } from '@sightline/release-trust';
import { Command } from 'commander';

import { addRegistryCommands } from './cli/registry-commands.js';
import { configFromEnvironment, environmentKeys } from './config.js';
import { keysCommand } from './keys/keys-command.js';
import { repositoryDirectory } from './keys/repository-keys.js';
import { startModelRegistry } from './start-model-registry.js';

async function serve(): Promise<void> {
  const signal = terminationSignal();
  const log = createLogger({ name: 'model-registry', level: 'info' });
  try {
    const registry = await startModelRegistry(configFromEnvironment(process.env, { log, clock: systemClock, signal }));
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await registry.stop();
  } catch (error) {
    if (signal.aborted) return;
    const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
    log.error({ code, reason: errorMessage(error) }, 'the model registry cannot run');
    process.exitCode = 1;
  }
}

const program = new Command('sightline-model-registry').description('Imports, signs and serves releases of models');
addRegistryCommands(program, {
  environment: process.env,
  clock: systemClock,
  terminal: {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    isInteractive: process.stderr.isTTY,
  },
});
program
  .command('serve')
  .description('run until SIGTERM or SIGINT')
  .addHelpText('after', `\nConfiguration, from the environment:\n  ${environmentKeys.join('\n  ')}`)
  .action(serve);
program
  .command('trusted-root')
  .description('print the root metadata that cloud-api and devices pin, in base64')
  .requiredOption('--data-directory <path>', 'the SIGHTLINE_DATA_DIRECTORY of a registry that has been started once')
  .action(async (options: { readonly dataDirectory: string }) => {
    const root = await readTrustedRoot(repositoryDirectory(options));
    process.stdout.write(`${root.toString('base64')}\n`);
  });
program.addCommand(keysCommand());
await program.parseAsync().catch((error: unknown) => {
  if (!isAppError(error)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
});
