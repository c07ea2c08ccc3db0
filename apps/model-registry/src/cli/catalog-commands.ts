import { Command } from 'commander';

import { catalogSchema } from '../models/model-catalog.js';
import { importedModelSchema } from '../models/model-manifest.js';
import type { CommandContext } from './command-context.js';
import { followJob } from './model-commands.js';
import { table } from './terminal.js';

/** `catalog`: open models that the registry knows. */
export function catalogCommands(context: CommandContext): Command {
  const { client, show } = context;
  const catalog = new Command('catalog').description('open models that the registry knows');
  catalog
    .command('list')
    .description('what there is, with its licence')
    .action(async (_, command: Command) => {
      const answer = await client(command).ask(catalogSchema, 'GET', '/v1/catalog');
      const rows = answer.items.map(({ id, manifest, bytes }) => [
        ...[id, manifest.task, manifest.licence, String(bytes), manifest.name],
      ]);
      show(command, answer, () => table(['id', 'task', 'licence', 'bytes', 'name'], rows));
    });
  catalog
    .command('fetch <id>')
    .description('fetch one from its source and import it')
    .action(async (id: string, _, command: Command) => {
      const registry = client(command);
      const path = `/v1/catalog/${encodeURIComponent(id)}/fetch`;
      const { job } = await registry.ask(importedModelSchema, 'POST', path);
      await followJob(context, registry, job, command);
    });
  return catalog;
}
