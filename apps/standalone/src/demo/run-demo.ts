import { systemClock, terminationSignal, type Logger, type PersonId } from '@sightline/kernel';
import { createLogger } from '@sightline/observability';
import type { rest } from '@sightline/contracts';

import { aborted } from '../child.js';
import { CloudClient } from './cloud-client.js';
import { prepareEdgeProcess, type RunningEdge } from './edge-process.js';
import { enrolCast } from './enrol-cast.js';
import { startHubProcess, type RunningHub } from './hub-process.js';
import { DemoScreen } from './screen.js';
import { scoreSightings } from './scoring.js';
import { medianStages, type DemoSummary } from './summary.js';
import { readTruth, type Pass } from './truth.js';
import { openWorkspace, sweepWorkspaces, type DemoWorkspace } from './workspace.js';

export interface DemoOptions {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly data?: string;
  readonly seed: number;
  readonly modelStore: string;
}

/** The false-match rate of one comparison that the demo's decisions stand for. */
const FALSE_MATCH_RATE = 1e-4;
const RECONNECT_MS = 500;

/** The main job on one machine: enrol, play a camera, show who was seen; until the script or the user ends it. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const signal = terminationSignal();
  const log = createLogger({ name: 'demo', level: 'warn', destination: process.stderr });
  await sweepWorkspaces(log);
  const workspace = await openWorkspace(options.data, log);
  try {
    await play(options, workspace, log, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await workspace.close();
  }
}

async function play(options: DemoOptions, workspace: DemoWorkspace, log: Logger, signal: AbortSignal): Promise<void> {
  const screen = new DemoScreen(process.stdout);
  screen.say('Starting the hub: broker, model registry, cloud API, database …');
  const hub = await startHubProcess(workspace, {
    modelStoreDirectory: options.modelStore,
    falseMatchRate: FALSE_MATCH_RATE,
    log,
    signal,
  });
  try {
    const client = new CloudClient(hub.ready.apiUrl, hub.adminKey);
    screen.say('Enrolling people from the sample photos …');
    const enrolled = await enrolCast(client);
    const edge = await prepareEdgeProcess(workspace, client, { ...options, loop: !options.once, log });
    try {
      const summary = await watch({ client, hub, edge, enrolled, screen, signal });
      if (summary) report(screen, summary, options.json ?? false);
    } finally {
      await edge.process.stop();
    }
  } finally {
    await hub.process.stop();
  }
}

interface Watch {
  readonly client: CloudClient;
  readonly hub: RunningHub;
  readonly edge: RunningEdge;
  readonly enrolled: ReadonlyMap<string, PersonId>;
  readonly screen: DemoScreen;
  readonly signal: AbortSignal;
}

/** Shows sightings as they come; the summary once the script is played, nothing when the user ends it first. */
async function watch({ client, hub, edge, enrolled, screen, signal }: Watch): Promise<DemoSummary | undefined> {
  const ended = new AbortController();
  screen.welcome({ hub: hub.ready, adminKey: hub.adminKey, enrolled: enrolled.size, falseMatchRate: FALSE_MATCH_RATE });
  const live = showLive(client, screen, AbortSignal.any([signal, ended.signal]));
  edge.process.start();
  await Promise.race([edge.process.ended(), aborted(signal)]);
  ended.abort();
  await live;
  if (signal.aborted) {
    screen.say('\nStopping …');
    return undefined;
  }
  const sightings: rest.Sighting[] = [];
  for await (const sighting of client.sightings()) sightings.push(sighting);
  // Whatever the live stream had not brought yet.
  for (const sighting of sightings.toReversed()) screen.show(sighting);
  const passes = await readTruth(edge.truthPath, enrolled);
  const summary = await summarise(client, sightings, passes, enrolled.size);
  // A pass that the camera never came to is as lost as one that nobody recorded.
  return { ...summary, lost: summary.lost + edge.scriptedPasses - passes.length };
}

/** The stream is opened again when the hub was away; what was missed is in the list of sightings. */
async function showLive(client: CloudClient, screen: DemoScreen, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const sighting of client.liveSightings(signal)) screen.show(sighting);
    } catch {
      // The hub is away, or the watching is over; the wait ends at once then.
      await systemClock.sleep(RECONNECT_MS, signal).catch(() => undefined);
    }
  }
}

async function summarise(
  client: CloudClient,
  sightings: readonly rest.Sighting[],
  passes: readonly Pass[],
  enrolled: number,
): Promise<DemoSummary> {
  const scored = sightings.map(({ id, decision, firstSeenAt, lastSeenAt }) => ({
    id,
    outcome: decision.outcome,
    personId: decision.person?.id ?? null,
    firstSeenMs: Date.parse(firstSeenAt),
    lastSeenMs: Date.parse(lastSeenAt),
  }));
  const [device] = await client.devices();
  return {
    enrolled,
    ...scoreSightings(passes, scored),
    release: { version: device?.release?.version ?? '', digest: device?.release?.digest ?? '' },
    stageMs: medianStages(sightings),
  };
}

function report(screen: DemoScreen, summary: DemoSummary, json: boolean): void {
  screen.result(summary);
  if (json) screen.say(JSON.stringify(summary));
  // Recognition may err; delivery may not.
  if (summary.lost > 0 || summary.duplicates > 0) process.exitCode = 1;
}
