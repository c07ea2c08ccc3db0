import { fork } from 'node:child_process';

import { z } from 'zod';

const factsSchema = z.object({
  provider: z.string(),
  /** Whether it has really run a model on this box. */
  runs: z.boolean(),
  reason: z.string().optional(),
  /** From asking for the smallest model to its answer, ms. */
  loadMs: z.number().optional(),
  /** The active release on it; its self-test has passed. `provider` is what its models really run on. */
  release: z.object({ version: z.string(), provider: z.string(), openMs: z.number() }).optional(),
});
export type ProviderFacts = z.infer<typeof factsSchema>;

const TIMEOUT_MS = 120_000;

/** Tries an execution provider in a process of its own. Never rejects: what goes wrong is the answer. */
export function probeProvider(provider: string, dataDirectory: string | undefined): Promise<ProviderFacts> {
  const module = new URL('../../dist/commands/provider-probe.js', import.meta.url);
  const args = [provider, ...(dataDirectory === undefined ? [] : [dataDirectory])];
  // ONNX Runtime writes what it thinks of missing libraries to the standard error.
  const child = fork(module, args, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], timeout: TIMEOUT_MS });
  return new Promise((resolve) => {
    child.on('message', (message) => {
      const facts = factsSchema.safeParse(message);
      if (facts.success) resolve(facts.data);
    });
    child.on('exit', (code, signal) => {
      resolve({ provider, runs: false, reason: `its process ended with ${signal ?? `code ${String(code)}`}` });
    });
    child.on('error', (error) => resolve({ provider, runs: false, reason: error.message }));
  });
}
