import type { AppError, Clock, Logger } from '@sightline/kernel';

import type { AgentActions } from './actions/agent-actions.js';
import type { EdgeAgentStatus } from './agent-status.js';
import type { LocalCache } from './cache/local-cache.js';
import type { EdgeAgentConfig } from './config/config.js';
import type { AgentImages } from './images/compose-images.js';
import type { Operation } from './operation/operation.js';
import type { Outbox } from './outbox/outbox.js';
import type { CameraPipeline } from './pipeline/camera-pipeline.js';
import type { RecogniserSlot } from './pipeline/recogniser-slot.js';
import type { ReleaseUpdater } from './update/release-updater.js';
import type { IdentificationInbox } from './uplink/identification-inbox.js';
import type { Uplink } from './uplink/uplink.js';

/** A running agent. */
export interface EdgeAgent {
  /**
   * Resolves once all sources have ended and the cloud has acknowledged every record; rejects when the agent
   * cannot go on. Never settles for a camera that does not end, nor after `stop`.
   */
  readonly finished: Promise<void>;
  status(): EdgeAgentStatus;
  /** Closes what is in view, tries for a bounded time to send it, says goodbye, and ends. Safe to call twice. */
  stop(): Promise<void>;
}

/** What a running agent is made of. */
export interface EdgeAgentParts {
  readonly config: EdgeAgentConfig;
  readonly outbox: Outbox;
  readonly slot: RecogniserSlot;
  readonly updater: ReleaseUpdater;
  readonly uplink: Uplink;
  readonly pipelines: readonly CameraPipeline[];
  readonly identifications: IdentificationInbox;
  readonly cache: LocalCache | undefined;
  readonly actions: AgentActions;
  readonly images: AgentImages;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the outbox can store nothing more, or the memory ceiling does not hold. */
  readonly fatal: AbortSignal;
  readonly operation: Operation;
  readonly unlock: () => Promise<void>;
}

const DRAIN_POLL_MS = 50;

export class RunningEdgeAgent implements EdgeAgent {
  readonly finished: Promise<void>;
  readonly #parts: EdgeAgentParts;
  readonly #stopping = new AbortController();
  readonly #cameras: Promise<unknown>;
  #stopped: Promise<void> | undefined;

  /** Starts the cameras; everything else runs already. */
  constructor(parts: EdgeAgentParts) {
    this.#parts = parts;
    this.#cameras = Promise.all(parts.pipelines.map((pipeline) => pipeline.run(this.#stopping.signal)));
    this.finished = this.#finish();
    // Whoever does not ask is not to be ended by it.
    this.finished.catch(() => undefined);
  }

  status(): EdgeAgentStatus {
    const { uplink, pipelines, slot, outbox, identifications, cache, actions, images, operation } = this.#parts;
    const release = slot.current;
    return {
      connected: uplink.connected,
      cameras: pipelines.map(({ status }) => status),
      release: release
        ? { version: release.version, digest: release.digest, provider: release.recogniser.provider }
        : null,
      outbox: {
        streamId: outbox.streamId,
        nextSequence: outbox.nextSequence,
        backlog: outbox.backlog,
        problem: outbox.problem?.code ?? null,
      },
      identifications: identifications.counts,
      cache: cache?.status ?? null,
      actions: actions.status,
      images: images.status,
      ...operation.status,
    };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #finish(): Promise<void> {
    const { fatal, log } = this.#parts;
    const failed = new Promise<never>((_, reject) => {
      fatal.addEventListener('abort', () => reject(fatal.reason as AppError), { once: true });
    });
    await Promise.race([this.#cameras, failed]);
    await Promise.race([this.#drained(this.#stopping.signal), failed]);
    if (this.#stopping.signal.aborted) return new Promise(() => undefined);
    log.info({ ...this.#parts.identifications.counts }, 'all sources have ended, all records are acknowledged');
  }

  async #drained(signal: AbortSignal): Promise<void> {
    const { outbox, clock } = this.#parts;
    while (outbox.backlog > 0 && !signal.aborted) await clock.sleep(DRAIN_POLL_MS, signal).catch(() => undefined);
  }

  async #stop(): Promise<void> {
    const { config, outbox, slot, updater, uplink, cache, actions, images, operation, clock, log, unlock } =
      this.#parts;
    log.info({ backlog: outbox.backlog }, 'agent stops');
    this.#stopping.abort(new Error('the agent stops'));
    const bound = AbortSignal.timeout(config.stopTimeoutMs);
    const stopped = new AbortController();
    const timeout = clock.sleep(config.stopTimeoutMs, stopped.signal).catch(() => undefined);
    try {
      await updater.stop();
      await Promise.race([this.#cameras, timeout]);
      const acted = actions.close(config.stopTimeoutMs);
      if (uplink.connected) await this.#drained(bound);
      await uplink.stop();
      await acted;
      await images.stop();
      await operation.stop();
      await slot.close();
    } finally {
      // Its timer would keep the process alive.
      stopped.abort();
      await actions.close(0);
      await images.stop();
      cache?.close();
      await outbox.close();
      await unlock();
    }
    log.info({ backlog: outbox.backlog }, 'agent stopped');
  }
}
