import { systemClock, terminationSignal, type Clock } from '@sightline/kernel';
import { createLogger } from '@sightline/observability';

import type { EdgeAgentStatus } from '../agent-status.js';
import { startEdgeAgent } from '../composition-root.js';
import { loadEdgeAgentConfig } from '../config/load-config.js';
import type { EdgeAgent } from '../edge-agent.js';
import { serviceNotifier, type ServiceNotifier } from '../operation/service-notifier.js';
import { exitCodes } from './exit-codes.js';

/** How often the manager hears from the agent, ms, when it asks for no more. */
const NOTIFY_EVERY_MS = 30_000;

/**
 * Runs the agent until SIGINT or SIGTERM, until the parent process is gone, or until its sources end when it is
 * configured so.
 */
export async function runAgent({ config: path }: { readonly config: string }): Promise<void> {
  const signal = terminationSignal();
  const log = createLogger({ name: 'edge-agent', level: 'info' });
  const config = loadEdgeAgentConfig(path, process.env, log);
  const agent = await startEdgeAgent(config);
  const notifier = serviceNotifier(process.env, { log });
  const orphaned = new AbortController();
  process.once('disconnect', () => orphaned.abort()); // a parent that is gone can no longer stop us
  const ended = new AbortController();
  const notified = keepNotified(notifier, agent, systemClock, ended.signal);
  const stopped = aborted(AbortSignal.any([signal, orphaned.signal]));
  const finished = agent.finished.then(() => (config.whenSourcesEnd === 'exit' ? undefined : stopped));
  try {
    await Promise.race([finished, stopped]);
    if (agent.status().cameras.some(({ state }) => state === 'failed')) process.exitCode = exitCodes.failed;
  } finally {
    ended.abort();
    await notified;
    notifier.notify('stopping');
    await agent.stop();
    if (process.connected) process.disconnect();
  }
}

/**
 * Tells the service manager that the agent is up, and then that it gets on, for as long as it does. An agent that is
 * stuck says nothing, and is ended and started again by its watchdog.
 */
export async function keepNotified(
  notifier: ServiceNotifier,
  agent: Pick<EdgeAgent, 'status'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const everyMs = Math.min(NOTIFY_EVERY_MS, (notifier.watchdogMs ?? Infinity) / 3);
  notifier.notify('ready', summary(agent.status()));
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    await clock.sleep(everyMs, signal).catch(() => undefined);
    const status = agent.status();
    if (!isOver() && status.stuck.length === 0) notifier.notify('alive', summary(status));
  }
}

/** The line that `systemctl status` shows. */
function summary({ cameras, release, connected, outbox }: EdgeAgentStatus): string {
  const up = cameras.filter(({ state, problem }) => state === 'running' && problem === null).length;
  const parts = [
    `${up} of ${cameras.length} cameras up`,
    release ? `release ${release.version} on ${release.provider}` : 'no release yet',
    connected ? 'connected' : 'not connected',
    `${outbox.backlog} records to send`,
  ];
  return parts.join(', ');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
