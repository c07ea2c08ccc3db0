#!/usr/bin/env node
import { homedir } from 'node:os';
import { join } from 'node:path';

import { loadEdgeAgentConfig, startEdgeAgent } from '@sightline/edge-agent';
import { readConfiguration } from '@sightline/host';
import { errorMessage, isAppError } from '@sightline/kernel';
import { createLogger } from '@sightline/observability';
import { Command } from 'commander';

import { aborted, endOfChild } from './child.js';
import { runDemo } from './demo/run-demo.js';
import { hubConfigSchema } from './hub-config.js';
import { startHub } from './hub.js';

const modelStore = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sightline', 'models');

async function runHub(configPath: string): Promise<void> {
  const log = createLogger({ name: 'hub', level: 'info' });
  const failed = new AbortController();
  const signal = AbortSignal.any([endOfChild(), failed.signal]);
  const hub = await startHub(readConfiguration(configPath, hubConfigSchema), {
    log,
    signal,
    onFailure: (error) => {
      log.error({ error }, 'the hub cannot go on');
      process.exitCode = 1;
      failed.abort(error);
    },
  });
  process.send?.(hub.ready);
  await aborted(signal);
  await hub.stop();
}

async function runEdgeAgent(configPath: string): Promise<void> {
  const log = createLogger({ name: 'edge-agent', level: 'info' });
  const signal = endOfChild();
  const agent = await startEdgeAgent(loadEdgeAgentConfig(configPath, process.env, log), { log });
  await Promise.race([agent.finished, aborted(signal)]);
  await agent.stop();
}

const program = new Command('sightline')
  .description('Sightline on one machine: a hub (broker, cloud API, model registry, database) and an edge agent')
  .showHelpAfterError();

program
  .command('demo')
  .description('enrols people from sample photos, plays a camera and shows who was seen, until Ctrl-C')
  .option('--once', 'stop when the camera’s script is played')
  .option('--json', 'print a summary as JSON in the last line')
  .option('--data <directory>', 'keep everything in this directory, to look at later (default: a temporary one)')
  .option('--seed <number>', 'seed of the camera’s unsteadiness', Number, 1)
  .option('--model-store <directory>', 'where downloaded models are kept', modelStore)
  .action(runDemo);

program
  .command('hub')
  .description('runs a hub in the foreground')
  .requiredOption('--config <file>', 'its configuration, JSON; the demo writes one')
  .action(({ config }: { config: string }) => runHub(config));

program
  .command('edge-agent')
  .description('runs an edge agent in the foreground')
  .requiredOption('--config <file>', 'its configuration, JSON; the demo writes one')
  .action(({ config }: { config: string }) => runEdgeAgent(config));

try {
  await program.parseAsync();
} catch (error) {
  console.error(isAppError(error) ? `${error.code}: ${error.message}` : errorMessage(error));
  // What a failed start left behind must not keep a supervised child alive.
  process.exit(1);
}
// The channel to a parent would keep a child alive.
if (process.connected) process.disconnect();
