import { join } from 'node:path';

import type { EdgeAgentConfigInput } from '@sightline/edge-agent';
import type { Logger } from '@sightline/kernel';

import { writePrivateJson } from '../private-json.js';
import { SupervisedProcess } from '../supervised-process.js';
import type { CloudClient } from './cloud-client.js';
import { mainModule } from './hub-process.js';
import { CLOSE_AFTER_MS, demoScript } from './play.js';
import type { DemoWorkspace } from './workspace.js';

export interface EdgeOptions {
  readonly seed: number;
  /** Plays the script again and again instead of once. */
  readonly loop: boolean;
  readonly log: Logger;
}

export interface RunningEdge {
  readonly process: SupervisedProcess;
  /** Where the camera journals what it really shows. */
  readonly truthPath: string;
  /** Passes of the script. */
  readonly scriptedPasses: number;
  readonly outboxPath: string;
}

/** Frames a second of real time at most; the script's own time decides when a sighting closes. */
const FRAMES_PER_SECOND = { once: 1000, loop: 10 };

/**
 * Provisions a box over REST and prepares its agent as a supervised child, with one demo camera. The caller
 * starts it.
 */
export async function prepareEdgeProcess(
  workspace: DemoWorkspace,
  client: CloudClient,
  options: EdgeOptions,
): Promise<RunningEdge> {
  const provisioning = await client.createDevice({ id: `box-${Date.now().toString(36)}`, siteId: 'main-gate' });
  const truthPath = workspace.path('truth.jsonl');
  const scriptPath = workspace.path('demo-script.json');
  const script = demoScript(options.seed);
  await writePrivateJson(scriptPath, script);
  const config: EdgeAgentConfigInput = {
    dataDirectory: workspace.path(provisioning.deviceId),
    provisioning,
    cameras: [
      {
        id: 'entrance',
        source: {
          kind: 'demo',
          script: scriptPath,
          truthJournal: truthPath,
          resume: !options.loop,
          loop: options.loop,
          framesPerSecond: options.loop ? FRAMES_PER_SECOND.loop : FRAMES_PER_SECOND.once,
        },
      },
    ],
    whenSourcesEnd: 'exit',
    // Each pass is a sighting of its own, also when the same person passes twice.
    sighting: { closeAfterMs: CLOSE_AFTER_MS, cooldownMs: 0 },
    // One box, whose broker is on this machine: nothing has to be spared.
    uplink: { reconnectBaseMs: 500, reconnectCapMs: 5000 },
  };
  const configPath = workspace.path('edge-agent.json');
  await writePrivateJson(configPath, config);
  const process = new SupervisedProcess({
    name: 'edge-agent',
    modulePath: mainModule,
    args: ['edge-agent', '--config', configPath],
    logFile: workspace.path('edge-agent.log'),
    log: options.log,
  });
  return {
    process,
    truthPath,
    scriptedPasses: script.passes.length,
    outboxPath: join(config.dataDirectory, 'outbox.db'),
  };
}
