import { fromBinary } from '@bufbuild/protobuf';
import { RecordPayloadSchema, type Identification } from '@sightline/contracts';
import { errorMessage, type Logger, type PersonId } from '@sightline/kernel';

import { composeActions, type ComposeActionsOptions } from './compose-actions.js';
import type { Decision } from './decision.js';
import type { LocalActions, LocalActionsStatus } from './local-actions.js';
import { SightingDecisions } from './sighting-decisions.js';

export interface AgentActionsStatus extends LocalActionsStatus {
  /** Local decisions that came after the cloud had decided otherwise. */
  readonly overruled: number;
}

export interface AgentActionsOptions extends ComposeActionsOptions {
  /** The groups of a person in the local cache. */
  readonly groupsOf: (personId: PersonId) => readonly string[];
}

/** Local actions as the agent has them: it tells what it records and what the cloud answers in time. */
export class AgentActions {
  /** Undefined where there are no rules: then nothing is opened and nothing is looked at. */
  readonly #actions: LocalActions | undefined;
  readonly #decisions: SightingDecisions;
  readonly #log: Logger;

  /** @throws AppError `CONFIG.INVALID` for a secret or a file that is not there */
  constructor(options: AgentActionsOptions) {
    this.#decisions = new SightingDecisions(options.groupsOf);
    this.#log = options.log;
    this.#actions = options.rules.length > 0 ? composeActions(options) : undefined;
  }

  get status(): AgentActionsStatus {
    const { rules = [], interrupted = 0 } = this.#actions?.status ?? {};
    return { rules, interrupted, overruled: this.#decisions.overruled };
  }

  /**
   * Takes a record that is about to be stored: not after it, since the store waits for company.
   *
   * @param payload an encoded RecordPayload
   */
  recorded(payload: Uint8Array): void {
    this.#decide(() => {
      const { body } = fromBinary(RecordPayloadSchema, payload);
      return body.case === 'sighting' ? this.#decisions.recorded(body.value) : undefined;
    });
  }

  /** Takes an identification that may be acted upon. */
  identified(identification: Identification): void {
    this.#decide(() => this.#decisions.identified(identification));
  }

  /** Starts nothing more, lets what runs end for so long, and breaks it off. */
  async close(withinMs: number): Promise<void> {
    await this.#actions?.close(withinMs);
  }

  /** Never throws: what is wrong with an action is not to cost the sighting. */
  #decide(of: () => Decision | undefined): void {
    if (!this.#actions) return;
    try {
      const decision = of();
      if (decision) this.#actions.decide(decision);
    } catch (error) {
      this.#log.error({ code: 'ACTION.FAILED', cause: errorMessage(error) }, 'a decision could not be acted upon');
    }
  }
}
