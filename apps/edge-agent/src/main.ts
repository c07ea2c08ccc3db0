#!/usr/bin/env node
import { errorMessage, isAppError, terminationSignal } from '@sightline/kernel';
import { createLogger } from '@sightline/observability';
import { Command } from 'commander';

import { startEdgeAgent } from './composition-root.js';
import { loadEdgeAgentConfig } from './config/load-config.js';

async function run(configPath: string): Promise<void> {
  const signal = terminationSignal();
  const log = createLogger({ name: 'edge-agent', level: 'info' });
  const config = loadEdgeAgentConfig(configPath, process.env, log);
  const agent = await startEdgeAgent(config);
  const orphaned = new AbortController();
  process.once('disconnect', () => orphaned.abort()); // a parent that is gone can no longer stop us
  const stopped = aborted(AbortSignal.any([signal, orphaned.signal]));
  const finished = agent.finished.then(() => (config.whenSourcesEnd === 'exit' ? undefined : stopped));
  try {
    await Promise.race([finished, stopped]);
    if (agent.status().cameras.some(({ state }) => state === 'failed')) process.exitCode = 1;
  } finally {
    await agent.stop();
    if (process.connected) process.disconnect();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

const program = new Command('sightline-edge-agent')
  .description('Recognises faces at the camera and publishes protected templates')
  .showHelpAfterError();

program
  .command('run', { isDefault: true })
  .description('runs the agent until SIGINT or SIGTERM, or until its sources end when configured so')
  .requiredOption('--config <file>', 'its configuration, JSON')
  .addHelpText(
    'after',
    '\nThese environment variables win over the file: SIGHTLINE_EDGE_DATA_DIRECTORY,\nSIGHTLINE_EDGE_PROVISIONING_FILE, SIGHTLINE_EDGE_LOG_LEVEL, SIGHTLINE_EDGE_WHEN_SOURCES_END.',
  )
  .action(({ config }: { config: string }) => run(config));

try {
  await program.parseAsync();
} catch (error) {
  console.error(isAppError(error) ? `${error.code}: ${error.message}` : errorMessage(error));
  process.exitCode = 1;
}
