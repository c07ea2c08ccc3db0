/** Something that runs. Its constructor does nothing; `stop` is safe to call twice and after a failed start. */
export interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}

type Stop = () => Promise<void> | void;

/**
 * What has been started, to be stopped in reverse order. A stop that fails does not keep the others
 * from running: all failures are reported together at the end.
 */
export class StopStack {
  readonly #stops: Stop[] = [];
  #stopping: Promise<void> | undefined;

  push(stop: Stop): void {
    this.#stops.push(stop);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const stop of this.#stops.reverse()) {
      try {
        await stop();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'some parts did not stop cleanly');
  }
}

/** An `AbortSignal` that fires at the first SIGINT or SIGTERM. A second one ends the process at once. */
export function terminationSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort(new Error(`received ${name}`));
    });
  }
  return controller.signal;
}
