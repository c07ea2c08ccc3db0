#!/usr/bin/env node
import { errorMessage, isAppError, systemClock, terminationSignal } from '@sightline/kernel';
import { createLogger } from '@sightline/observability';
import { Command, InvalidArgumentError } from 'commander';

import { writeBrokerCertificate, type BrokerCertificateOptions } from './commands/broker-certificate.js';
import { keepRevocationList, type RevocationListOptions } from './commands/revocation-list.js';
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

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 1 && value <= 86_400)) throw new InvalidArgumentError('1 to 86400.');
  return value;
}

const program = new Command('sightline-cloud-api').description('Ingest, identification, people, devices and sightings');
program
  .command('serve', { isDefault: true })
  .description('Serves until SIGTERM')
  .addHelpText('after', `\nRead from the environment:\n${environmentKeys.map((key) => `  ${key}`).join('\n')}`)
  .action(serve);

program
  .command('broker-certificate')
  .description('Writes ca.pem, server.pem and server.key for a broker; reads the environment as serve does')
  .requiredOption('--name <name...>', 'host names and IP addresses under which boxes reach the broker')
  .option('--directory <directory>', 'where they go', '/etc/sightline/mosquitto')
  .action((options: BrokerCertificateOptions) =>
    writeBrokerCertificate(options, configFromEnvironment(process.env, { log, clock: systemClock })),
  );

program
  .command('revocation-list')
  .description('Keeps the list of revoked certificates current for Mosquitto')
  .requiredOption('--url <url>', 'base address of the cloud API')
  .option('--output <file>', 'where the list goes', '/etc/sightline/mosquitto/crl.pem')
  .option('--pid-file <file>', 'process id of Mosquitto, which is told to read the list')
  .option('--every <seconds>', 'go on until SIGTERM, looking so often', seconds)
  .action((options: RevocationListOptions) =>
    keepRevocationList(options, {
      ...{ clock: systemClock, log, signal: terminationSignal() },
      kill: (pid, signal) => void process.kill(pid, signal),
    }),
  );

try {
  await program.parseAsync();
} catch (error) {
  const code = isAppError(error) ? error.code : 'SERVICE.INTERNAL';
  log.error({ code }, errorMessage(error));
  process.exitCode = 1;
}
