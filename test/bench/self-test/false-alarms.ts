import type { VerifiedBundle } from '@sightline/contracts';
import { errorMessage, isAppError } from '@sightline/kernel';
import type { Execution } from '@sightline/onnx-runtime';
import { runSelfTest } from '@sightline/recognition';

const THREADS = [1, 2, 4];
const OPTIMISATIONS = ['disabled', 'basic', 'extended', 'all'] as const;

/** How often releases fail that are as they should be. */
export interface FalseAlarms {
  readonly runs: number;
  readonly alarms: number;
  readonly rows: readonly { readonly variant: string; readonly runs: number; readonly alarms: number }[];
  readonly failures: readonly { readonly variant: string; readonly execution: Execution; readonly reason: string }[];
}

/** Runs every variant in every way, each against the self-test that was made in the usual one. */
export async function falseAlarms(variants: ReadonlyMap<string, VerifiedBundle>): Promise<FalseAlarms> {
  const executions = THREADS.flatMap((threads) => OPTIMISATIONS.map((optimisation) => ({ threads, optimisation })));
  const failures: FalseAlarms['failures'][number][] = [];
  for (const [variant, bundle] of variants) {
    for (const execution of executions) {
      await runSelfTest(bundle, { execution }).catch((error: unknown) => {
        const details = isAppError(error) ? JSON.stringify(error.details) : '';
        failures.push({ variant, execution, reason: `${errorMessage(error)} ${details}` });
      });
    }
  }
  const rows = [...variants.keys()].map((variant) => {
    return {
      variant,
      runs: executions.length,
      alarms: failures.filter((failure) => failure.variant === variant).length,
    };
  });
  return { runs: variants.size * executions.length, alarms: failures.length, rows, failures };
}
