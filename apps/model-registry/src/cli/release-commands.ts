import { Command, Option } from 'commander';

import { deployPolicySchema } from '../models/model-manifest.js';
import { releaseListSchema, releaseSchema, type Release } from '../releases/release.schemas.js';
import type { CommandContext } from './command-context.js';
import { table } from './terminal.js';

interface AssembleOptions {
  readonly base?: string;
  readonly detector?: string;
  readonly landmarks?: string;
  readonly embedder?: string;
  readonly presentationAttack?: string;
}

/** `releases`, and what models may be used for. */
export function releaseCommands({ client, show }: CommandContext): Command {
  const releases = new Command('releases').description('releases: assemble, sign, look at');
  releases
    .command('list')
    .description('what is published, newest first')
    .action(async (_, command: Command) => {
      const answer = await client(command).ask(releaseListSchema, 'GET', '/v1/releases');
      const rows = answer.items.map(({ version, digest, modelSpace }) => [version, digest.slice(0, 12), modelSpace.id]);
      show(command, answer, () => table(['version', 'digest', 'model space'], rows));
    });
  releases
    .command('show <version>')
    .description('one release')
    .action(async (version: string, _, command: Command) => {
      const answer = await client(command).ask(releaseSchema, 'GET', `/v1/releases/${encodeURIComponent(version)}`);
      show(command, answer, () => releaseText(answer));
    });
  releases
    .command('assemble <version>')
    .description('put a release together out of variants, and sign it')
    .option('--base <version>', 'the release whose models stay where none is named')
    .option('--detector <digest>')
    .option('--landmarks <digest>')
    .option('--embedder <digest>')
    .option('--presentation-attack <digest>')
    .action(async (version: string, { base, ...rest }: AssembleOptions, command: Command) => {
      const { detector, landmarks, embedder, presentationAttack } = rest;
      const body = { version, base, models: { detector, landmarks, embedder, presentationAttack } };
      const answer = await client(command).ask(releaseSchema, 'POST', '/v1/releases', body);
      show(command, answer, () => releaseText(answer));
    });
  releases
    .command('policy')
    .description('what the tenant uses models for; with --commercial, say it')
    .addOption(new Option('--commercial <answer>').choices(['yes', 'no']))
    .action(async ({ commercial }: { readonly commercial?: string }, command: Command) => {
      const change = commercial === undefined ? undefined : { commercial: commercial === 'yes' };
      const method = change ? 'PUT' : 'GET';
      const answer = await client(command).ask(deployPolicySchema, method, '/v1/deploy-policy', change);
      show(command, answer, () => (answer.commercial ? 'commercial' : 'not commercial'));
    });
  return releases;
}

function releaseText({ version, state, digest, modelSpace, models, thresholds }: Release): string {
  const rows = Object.entries(models).map(([task, { sha256, bytes, licence }]) => [
    ...[task, sha256.slice(0, 12), String(bytes), licence],
  ]);
  return [
    `${version}  ${digest}${state === 'staged' ? '  (wants signatures)' : ''}`,
    `model space ${modelSpace.id}, ${modelSpace.dimension} dimensions`,
    table(['task', 'variant', 'bytes', 'licence'], rows),
    thresholds.map(({ falseMatchRate, threshold }) => `FMR ${falseMatchRate}: ${threshold}`).join(', '),
  ].join('\n');
}
