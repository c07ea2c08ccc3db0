import type { VerifiedBundle } from '@sightline/contracts';
import { startEdgeAgent, type EdgeAgentConfigInput } from '@sightline/edge-agent';
import { defaultBundle } from '@sightline/testing';

import { oneRelease } from '../../edge/one-release.js';

// An agent with the real models, without a cloud, in a process of its own: what that uses is what the agent uses.

process.once('message', (message) => {
  void run(message as EdgeAgentConfigInput);
});

async function run(config: EdgeAgentConfigInput): Promise<void> {
  const bundle: VerifiedBundle = await defaultBundle();
  const agent = await startEdgeAgent(config, {
    selfTest: async () => undefined,
    releases: oneRelease(bundle),
  });
  process.on('message', (message) => {
    if (message === 'stop') {
      void agent.stop().then(() => process.exit(0));
      return;
    }
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMs: (user + system) / 1000, atMs: performance.now(), cameras: agent.status().cameras });
  });
  process.send?.('started');
}
