#!/usr/bin/env node
import { errorMessage, isAppError } from '@sightline/kernel';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

import { tryAction } from './actions/try-action.js';
import { agentVersion } from './agent-version.js';
import { bench, type BenchOptions } from './commands/bench.js';
import { check, type CheckOptions } from './commands/check.js';
import { devices, type DevicesOptions } from './commands/devices.js';
import { exitCodeOf, exitCodes } from './commands/exit-codes.js';
import { health } from './commands/health.js';
import { provision, type ProvisionOptions } from './commands/provision.js';
import { runAgent } from './commands/run.js';
import { CONFIG_VARIABLE } from './config/environment.js';

const configOption = (): Option => new Option('--config <file>', 'its configuration, JSON').env(CONFIG_VARIABLE);
const defaultConfig = '/etc/sightline/edge-agent.json';

const ENVIRONMENT_HELP = `
Every key can be set by the environment too, which wins over the file: delivery.maximumWindow by
SIGHTLINE_EDGE_DELIVERY_MAXIMUM_WINDOW, dataDirectory by SIGHTLINE_EDGE_DATA_DIRECTORY; with …_FILE
appended the variable names a file that holds the value. "check --print" shows what comes from where.`;

const EXIT_HELP = `
Exit codes: 0 ended as asked, 1 failed, 64 wrong command line, 69 something needed did not answer,
73 another agent uses the data directory, 75 start again (memory ceiling), 77 the box has another
identity, 78 wrong configuration.`;

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 1 && value <= 600)) throw new InvalidArgumentError('1 to 600.');
  return value;
}

const program = new Command('sightline-edge-agent')
  .description('Recognises faces at the camera and publishes protected templates')
  .version(agentVersion())
  .addHelpText('after', EXIT_HELP)
  .showHelpAfterError()
  .exitOverride();

program
  .command('run', { isDefault: true })
  .description('runs the agent until SIGINT or SIGTERM, or until its sources end when configured so')
  .addOption(configOption().default(defaultConfig))
  .addHelpText('after', ENVIRONMENT_HELP)
  .action(runAgent);

program
  .command('check')
  .description('says everything that is wrong with the configuration, and with what it needs of this box')
  .addOption(configOption().default(defaultConfig))
  .option('--print', 'show every value and where it comes from, secrets masked')
  .option('--schema', 'print the JSON Schema of the configuration')
  .option('--online', 'also see whether the broker answers')
  .action((options: CheckOptions) => check(options));

program
  .command('devices')
  .description('lists what this box has to compute and to see with, having tried it')
  .addOption(configOption())
  .option('--json', 'as JSON')
  .action((options: DevicesOptions) => devices(options));

program
  .command('bench')
  .description('measures this box with its active release; the figures reach the registry with the next connection')
  .addOption(configOption().default(defaultConfig))
  .option('--seconds <number>', 'how long', seconds, 10)
  .option('--output <file>', 'write the figures there too, JSON')
  .option('--no-report', 'keep them from the registry')
  .action((options: BenchOptions) => bench(options));

program
  .command('health')
  .description('asks the agent that runs here how it is: exit code 0 when it gets on')
  .addOption(configOption().default(defaultConfig))
  .option('--ready', 'ask whether it does what it is for: a release runs, and the outbox stores')
  .action((options: { readonly config: string; readonly ready?: boolean }) => health(options));

program
  .command('act')
  .description('does the action of a rule, once and for real, with a made-up event: to see whether it works')
  .argument('<rule>', 'its id')
  .addOption(configOption().default(defaultConfig))
  .action((rule: string, { config }: { readonly config: string }) => tryAction(rule, config));

program
  .command('provision')
  .description('gives this box the identity of the document that POST /v1/devices answered')
  .argument('[document]', 'its path, or - for the standard input', '-')
  .option('--directory <directory>', 'where the configuration goes', '/etc/sightline')
  .option('--data-directory <directory>', 'where the agent will keep what it records', '/var/lib/sightline/edge-agent')
  .option('--cloud-url <url>', 'where the certificate is fetched and renewed, unless the document says it')
  .option('--offline', 'fetch no certificate, and do not ask whether the broker answers')
  .option('--force', 'replace another identity; what it had recorded is moved aside')
  .action((document: string, options: ProvisionOptions) => provision(document, options));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said what there is to say.
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  } else {
    console.error(isAppError(error) ? `${error.code}: ${error.message}` : errorMessage(error));
    process.exitCode = exitCodeOf(error);
  }
}
