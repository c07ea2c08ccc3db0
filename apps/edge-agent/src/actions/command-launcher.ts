import { runProgram, type ProgramCall, type ProgramEnd } from './run-program.js';

/** To the launcher. */
export type LauncherRequest =
  | { readonly kind: 'run'; readonly id: number; readonly call: ProgramCall }
  | { readonly kind: 'abort'; readonly id: number };

/** From the launcher. */
export interface LauncherAnswer {
  readonly id: number;
  readonly end: ProgramEnd;
}

/**
 * A small process that starts programs for the agent. To start one, the system copies the page tables of whoever
 * asks, and the agent, with its models, would stand still meanwhile: for each half gigabyte some ten milliseconds on
 * an idle machine, above a hundred on a busy one.
 *
 * When the agent is gone, what runs may end within its time, and the launcher after it.
 */
const running = new Map<number, AbortController>();

process.on('message', (request: LauncherRequest) => {
  if (request.kind === 'abort') {
    running.get(request.id)?.abort();
    return;
  }
  const { id, call } = request;
  const abort = new AbortController();
  running.set(id, abort);
  void runProgram(call, abort.signal).then((end) => {
    running.delete(id);
    const answer: LauncherAnswer = { id, end };
    if (process.connected) process.send?.(answer, () => undefined);
  });
});

// The agent says when to end; a terminal's Ctrl-C goes to everybody.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => undefined);
