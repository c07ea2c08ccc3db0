import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';

import { readConfiguration } from '@sightline/host';
import { AppError } from '@sightline/kernel';
import { Command } from 'commander';

import {
  blobSchema,
  importedModelSchema,
  jobKinds,
  modelJobListSchema,
  modelJobSchema,
  modelListSchema,
  modelManifestSchema,
  modelSchema,
  type Model,
  type ModelJob,
} from '../models/model-manifest.js';
import type { CommandContext } from './command-context.js';
import type { RegistryClient } from './registry-client.js';
import { endProgress, showProgress, table } from './terminal.js';

/** How often a command asks how far a job is, ms. */
const ASK_MS = 500;

interface RunOptions {
  readonly variant?: string;
  readonly set?: readonly string[];
}

/** `name=value`, the value as what it looks like: a number, yes or no (`true`, `false`), or a word. */
function optionOf(text: string): readonly [string, string | number | boolean] {
  const [name = '', ...rest] = text.split('=');
  const value = rest.join('=');
  if (value === 'true' || value === 'false') return [name, value === 'true'];
  return [name, value !== '' && Number.isFinite(Number(value)) ? Number(value) : value];
}

/** `models` and the work on them. */
export function modelCommands(context: CommandContext): Command {
  const { client, show } = context;
  const models = new Command('models').description('models, their variants, and the work on them');
  models
    .command('list')
    .description('the models of the tenant')
    .action(async (_, command: Command) => {
      const answer = await client(command).ask(modelListSchema, 'GET', '/v1/models');
      show(command, answer, () => table(['id', 'task', 'licence', 'variants', 'name'], answer.items.map(rowOf)));
    });
  models
    .command('show <id>')
    .description('one model and what was measured of its variants')
    .action(async (id: string, _, command: Command) => {
      const answer = await client(command).ask(modelSchema, 'GET', `/v1/models/${encodeURIComponent(id)}`);
      show(command, answer, () => modelText(answer));
    });
  models
    .command('import <file>')
    .description('bring in an ONNX file: it is uploaded, looked at, rewritten and proven')
    .requiredOption('--manifest <file>', 'JSON: task, spec, name, licence, origin, … (docs/model-registry.md)')
    .action(async (file: string, { manifest }: { readonly manifest: string }, command: Command) => {
      const registry = client(command);
      const described = readConfiguration(manifest, modelManifestSchema);
      const sha256 = createHash('sha256')
        .update(await readFile(file))
        .digest('hex');
      const stream = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>;
      await registry.ask(blobSchema, 'PUT', `/v1/blobs/${sha256}`, stream);
      const { job } = await registry.ask(importedModelSchema, 'POST', '/v1/models', {
        manifest: described,
        source: sha256,
      });
      await followJob(context, registry, job, command);
    });
  models
    .command('run <id> <kind>')
    .description(`work on a model: ${jobKinds.filter((kind) => kind !== 'imported').join(', ')}`)
    .option('--variant <digest>', 'what to work on; the imported one unless said otherwise')
    .option('--set <name=value...>', 'options of the kind, such as bytes=3200000')
    .action(async (id: string, kind: string, { variant, set = [] }: RunOptions, command: Command) => {
      const registry = client(command);
      const options = Object.fromEntries(set.map(optionOf));
      const wanted = { kind, options, ...(variant !== undefined && { variant }) };
      const job = await registry.ask(modelJobSchema, 'POST', `/v1/models/${encodeURIComponent(id)}/jobs`, wanted);
      await followJob(context, registry, job, command);
    });
  models.addCommand(jobCommands(context));
  return models;
}

function jobCommands(context: CommandContext): Command {
  const { client, show } = context;
  const jobs = new Command('jobs').description('work that was begun');
  jobs
    .command('list')
    .description('the newest work on models')
    .action(async (_, command: Command) => {
      const answer = await client(command).ask(modelJobListSchema, 'GET', '/v1/jobs');
      const rows = answer.items.map(({ id, kind, state, progress, step }) => [
        id,
        kind,
        state,
        percent(progress),
        step,
      ]);
      show(command, answer, () => table(['id', 'kind', 'state', 'done', 'step'], rows));
    });
  jobs
    .command('follow <id>')
    .description('wait until it has ended, and show its report')
    .action(async (id: string, _, command: Command) => {
      const registry = client(command);
      await followJob(context, registry, await jobOf(registry, id), command);
    });
  jobs
    .command('cancel <id>')
    .description('end it')
    .action(async (id: string, _, command: Command) => {
      const path = `/v1/jobs/${encodeURIComponent(id)}/cancel`;
      const job = await client(command).ask(modelJobSchema, 'POST', path);
      show(command, job, () => `${job.id} is ${job.state === 'running' ? 'being cancelled' : job.state}`);
    });
  return jobs;
}

/** Waits for the end of a job, which it shows; one that failed is an error. */
export async function followJob(
  { terminal, clock, show }: CommandContext,
  registry: RegistryClient,
  begun: ModelJob,
  command: Command,
): Promise<void> {
  let job = begun;
  while (job.state === 'waiting' || job.state === 'running') {
    showProgress(terminal, job.progress, job.step === '' ? job.state : job.step);
    await clock.sleep(ASK_MS);
    job = await jobOf(registry, job.id);
  }
  endProgress(terminal);
  const { error } = job;
  if (error !== null) throw new AppError(error.code as AppError['code'], error.detail);
  show(command, job, () => `${job.kind} of model ${job.modelId}: ${job.state}${variantText(job)}`);
}

function jobOf(registry: RegistryClient, id: string): Promise<ModelJob> {
  return registry.ask(modelJobSchema, 'GET', `/v1/jobs/${encodeURIComponent(id)}`);
}

function variantText({ report }: ModelJob): string {
  const { variant, bytes } = report ?? {};
  return typeof variant === 'string'
    ? `\nvariant ${variant}${typeof bytes === 'number' ? `, ${bytes} bytes` : ''}`
    : '';
}

function rowOf({ id, manifest, use, variants }: Model): readonly string[] {
  const licence = use === 'any' ? manifest.licence : `${manifest.licence} (${use})`;
  return [id, manifest.task, licence, variants.map(({ kind }) => kind).join(' '), manifest.name];
}

function modelText(model: Model): string {
  const { manifest, variants } = model;
  const rows = variants.map(({ digest, kind, bytes, report }) => [
    ...[digest, kind, String(bytes), 'evaluation' in report ? 'evaluated' : ''],
  ]);
  return [
    `${manifest.name} (${manifest.task})`,
    `licence ${manifest.licence}, from ${manifest.origin}, trained on: ${manifest.trainingData}`,
    table(['variant', 'kind', 'bytes', ''], rows),
  ].join('\n');
}

const percent = (progress: number): string => `${Math.round(progress * 100)} %`;
