import { AsyncLocalStorage } from 'node:async_hooks';

import { Injectable } from '@nestjs/common';

/** Who acts in the request under way, for whatever is written of it deep inside. */
@Injectable()
export class Acting {
  readonly #actor = new AsyncLocalStorage<string>();

  /** Runs work in the name of an actor: `key:…` and `jwt:…` for a request, `system:<job>` for what runs by itself. */
  as<T>(actor: string, work: () => T): T {
    return this.#actor.run(actor, work);
  }

  /** Undefined where nobody acts, as at a start. */
  get actor(): string | undefined {
    return this.#actor.getStore();
  }
}
