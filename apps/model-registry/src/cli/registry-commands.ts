import type { Clock } from '@sightline/kernel';
import { Command } from 'commander';

import { catalogCommands } from './catalog-commands.js';
import type { CommandContext } from './command-context.js';
import { modelCommands } from './model-commands.js';
import { RegistryClient } from './registry-client.js';
import { releaseCommands } from './release-commands.js';
import { rolloutCommands } from './rollout-commands.js';
import type { Terminal } from './terminal.js';

export interface CommandSurroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  readonly clock: Pick<Clock, 'sleep'>;
}

/** One group of commands each; each has a file of its own. */
const groups: readonly ((context: CommandContext) => Command)[] = [
  modelCommands,
  releaseCommands,
  rolloutCommands,
  catalogCommands,
];

/** Adds the commands that ask a running registry over REST. */
export function addRegistryCommands(program: Command, { environment, terminal, clock }: CommandSurroundings): void {
  const context: CommandContext = {
    ...{ terminal, clock },
    client: (command) => {
      const { url, cloudApi } = command.optsWithGlobals<{ readonly url: string; readonly cloudApi?: string }>();
      const { SIGHTLINE_TOKEN: token, SIGHTLINE_API_KEY: apiKey } = environment;
      return new RegistryClient({ url, token, apiKey, cloudApiUrl: cloudApi });
    },
    show: (command, answer, text) => {
      const { json } = command.optsWithGlobals<{ readonly json?: boolean }>();
      terminal.out(`${json ? JSON.stringify(answer, undefined, 2) : text()}\n`);
    },
  };
  for (const group of groups) program.addCommand(withOptions(group(context), environment));
}

function withOptions(group: Command, environment: CommandSurroundings['environment']): Command {
  return group
    .option('--url <address>', 'the registry', environment.SIGHTLINE_REGISTRY_URL ?? 'http://127.0.0.1:8081')
    .option(
      '--cloud-api <address>',
      'cloud-api, which gives a token for the API key',
      environment.SIGHTLINE_CLOUD_API_URL,
    )
    .option('--json', 'print the answer as JSON')
    .addHelpText('after', '\nCredentials, from the environment: SIGHTLINE_TOKEN, or SIGHTLINE_API_KEY of cloud-api');
}
