#!/usr/bin/env node
import { errorMessage, isAppError, systemClock, terminationSignal } from '@sightline/kernel';
import { createLogger } from '@sightline/observability';
import { Command } from 'commander';

import { configFromEnvironment, environmentKeys } from './config.js';
import { startCloudApi } from './index.js';

const log = createLogger({ name: 'cloud-api', level: 'info' });

async function serve(): Promise<void> {
  const stopped = terminationSignal();
  const api = await startCloudApi(configFromEnvironment(process.env, { log, clock: systemClock }));
  if (!stopped.aborted) await new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true }));
  await api.stop();
  log.info({}, 'cloud API stopped');
}

const program = new Command('sightline-cloud-api').description('Ingest, identification, people, devices and sightings');
program
  .command('serve', { isDefault: true })
  .description('Serves until SIGTERM')
  .addHelpText('after', `\nRead from the environment:\n${environmentKeys.map((key) => `  ${key}`).join('\n')}`)
  .action(serve);

try {
  await program.parseAsync();
} catch (error) {
  const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
  log.error({ code }, errorMessage(error));
  process.exitCode = 1;
}
