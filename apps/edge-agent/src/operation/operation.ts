import { join } from 'node:path';

import type { AppError, Clock, Logger } from '@sightline/kernel';

import type { EdgeAgentStatus } from '../agent-status.js';
import type { EdgeAgentConfig } from '../config/config.js';
import { agentMetrics } from '../local-api/agent-metrics.js';
import { LocalApi, type HealthReport } from '../local-api/local-api.js';
import type { Outbox } from '../outbox/outbox.js';
import type { RecogniserSlot } from '../pipeline/recogniser-slot.js';
import { MemoryWatch } from './memory-watch.js';
import type { OperationStatus } from './operation-status.js';
import { ProgressWatch } from './progress-watch.js';
import type { RecognitionMeter } from './recognition-meter.js';
import { RunHistory } from './run-history.js';

const CHECK_EVERY_MS = 10_000;
/** The smallest frame that is worth an answer of the recogniser. */
const SIGN_OF_LIFE = { width: 64, height: 64, data: new Uint8Array(new SharedArrayBuffer(64 * 64 * 3)) };

export interface OperationOptions {
  readonly config: Pick<EdgeAgentConfig, 'dataDirectory' | 'memory' | 'localApi'>;
  readonly agentVersion: string;
  readonly meter: RecognitionMeter;
  readonly slot: RecogniserSlot;
  readonly outbox: Pick<Outbox, 'backlog' | 'nextSequence' | 'acknowledgedThrough' | 'problem'>;
  /** Opens the release that runs anew, in threads of its own. */
  readonly reopenRelease: () => Promise<void>;
  /** The agent is to end in order, and to be started again. */
  readonly fail: (error: AppError) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** What keeps an eye on a running agent, and tells those on the box of it. Its constructor counts the run, no more. */
export class Operation {
  readonly #options: OperationOptions;
  readonly #runs: RunHistory;
  readonly #memory: MemoryWatch;
  readonly #stopping = new AbortController();
  #watching: Promise<unknown> | undefined;
  #localApi: LocalApi | undefined;
  #stuck: readonly string[] = [];
  #endsBecause: 'stopped' | 'memory-exceeded' = 'stopped';

  constructor(options: OperationOptions) {
    const { config, reopenRelease, fail, clock, log } = options;
    this.#options = options;
    this.#runs = new RunHistory(join(config.dataDirectory, 'runs.json'), log);
    this.#memory = new MemoryWatch({
      maximumMegabytes: config.memory.maximumMegabytes,
      residentBytes: () => process.memoryUsage.rss(),
      relieve: reopenRelease,
      onExceeded: (error) => {
        this.#endsBecause = 'memory-exceeded';
        fail(error);
      },
      clock,
      log,
    });
  }

  get status(): OperationStatus {
    return {
      memory: this.#memory.status,
      runs: this.#runs.counts,
      stuck: this.#stuck,
      localApi: this.#localApi?.address ?? null,
    };
  }

  /** @param status of the whole agent */
  async start(status: () => EdgeAgentStatus): Promise<void> {
    const { signal } = this.#stopping;
    this.#watching = Promise.all([this.#memory.run(signal), this.#watchProgress(status, signal)]);
    const { config, meter, agentVersion, clock, random, log } = this.#options;
    const metrics = agentMetrics({ status, meter, agentVersion });
    this.#localApi = new LocalApi({
      ...{ config: config.localApi, dataDirectory: config.dataDirectory, clock, random, log },
      live: () => ({ isWell: this.#stuck.length === 0, details: { stuck: this.#stuck } }),
      ready: () => readiness(status()),
      status: () => ({ agentVersion, ...status() }),
      metrics: () => metrics.expose(),
    });
    await this.#localApi.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    await this.#localApi?.stop();
    this.#runs.ended(this.#endsBecause);
  }

  async #watchProgress(status: () => EdgeAgentStatus, signal: AbortSignal): Promise<void> {
    const { slot, outbox, clock, log } = this.#options;
    const watch = new ProgressWatch({
      cameras: () => status().cameras,
      askRecogniser: () => slot.current && slot.use(({ recogniser }) => recogniser.detect(SIGN_OF_LIFE)),
      outbox: () => {
        const stored = outbox.nextSequence - 1;
        const waiting = outbox.backlog - (stored - outbox.acknowledgedThrough);
        return { stored, waiting, problem: outbox.problem?.code ?? null };
      },
      clock,
    });
    while (!signal.aborted) {
      const stuck = watch.check();
      if (stuck.length > 0 && this.#stuck.length === 0) {
        log.error({ code: 'AGENT.STUCK', stuck }, 'a part of the agent does not get on');
      }
      this.#stuck = stuck;
      await clock.sleep(CHECK_EVERY_MS, signal).catch(() => undefined);
    }
  }
}

/** Ready to record what cameras show. Cameras that are down, and a cloud that is, are told, but are no reason to say no. */
function readiness({ release, outbox, cameras, connected }: EdgeAgentStatus): HealthReport {
  const down = cameras.filter(({ state, problem }) => state === 'failed' || problem !== null);
  const details = {
    release: release?.version ?? null,
    outbox: outbox.problem ?? 'ok',
    uplink: connected ? 'connected' : 'disconnected',
    camerasDown: down.map(({ cameraId, problem }) => ({ camera: cameraId, problem })),
  };
  return { isWell: release !== null && outbox.problem === null, details };
}
