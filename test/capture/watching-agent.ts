import { join } from 'node:path';

import type { VerifiedBundle } from '@sightline/contracts';
import { startEdgeAgent, type EdgeAgent, type EdgeAgentConfigInput } from '@sightline/edge-agent';
import type { Logger, Sha256, SpaceId, TenantId } from '@sightline/kernel';
import type { Recogniser } from '@sightline/recognition';
import { templateKeyId } from '@sightline/template-protection';

import { oneRelease } from '../edge/one-release.js';

const key = { secret: Buffer.alloc(32, 7), tenantId: 'acme' as TenantId, epoch: 1 };
const sha256 = 'a'.repeat(64) as Sha256;

/** What reached recognition. */
export interface Seen {
  readonly width: number;
  readonly height: number;
  /** The first byte of the first pixel. */
  readonly tone: number;
  /** When, ms. */
  readonly atMs: number;
}

/** A whole agent, without a cloud and with a recogniser that only looks: what its cameras deliver is what it saw. */
export class WatchingAgent {
  readonly seen: Seen[] = [];
  /** All that was logged, as it would be written. */
  readonly log: string[] = [];
  readonly #agent: EdgeAgent;

  private constructor(agent: EdgeAgent, seen: Seen[], log: string[]) {
    this.#agent = agent;
    this.seen = seen;
    this.log = log;
  }

  static async start(directory: string, cameras: EdgeAgentConfigInput['cameras']): Promise<WatchingAgent> {
    const seen: Seen[] = [];
    const log: string[] = [];
    const agent = await startEdgeAgent(
      {
        dataDirectory: join(directory, 'agent'),
        provisioning: {
          ...{ tenantId: key.tenantId, deviceId: 'door-1', siteId: 'main' },
          // Nobody listens there.
          mqtt: { url: 'mqtt://127.0.0.1:1', username: 'acme/door-1', password: 'secret' },
          templateKey: { keyId: templateKeyId(key), epoch: key.epoch, secret: key.secret.toString('base64') },
          release: { repositoryUrl: 'http://127.0.0.1:9/repository', trustedRoot: 'e30=' },
        },
        // Also what never moves is to be seen.
        cameras: cameras.map((camera) => ({ motionGate: { enabled: false }, ...camera })),
        stopTimeoutMs: 8000,
      },
      { ...surroundings(lookingRecogniser(seen)), log: listLogger(log) },
    );
    return new WatchingAgent(agent, seen, log);
  }

  get cameras(): ReturnType<EdgeAgent['status']>['cameras'] {
    return this.#agent.status().cameras;
  }

  stop(): Promise<void> {
    return this.#agent.stop();
  }
}

function lookingRecogniser(seen: Seen[]): Recogniser {
  return {
    spaceId: 'none' as SpaceId,
    variantDigest: sha256,
    dimension: 8,
    provider: 'cpu',
    scoresPresentations: false,
    detect: async ({ width, height, data }) => {
      seen.push({ width, height, tone: data[0] ?? -1, atMs: performance.now() });
      return { faces: [], stageMs: { detect: 0, landmarks: 0, align: 0 } };
    },
    embed: async () => ({ templates: [], embedMs: 0 }),
    liveScores: async () => ({ scores: [], presentationMs: 0 }),
    close: async () => undefined,
  };
}

type Surroundings = NonNullable<Parameters<typeof startEdgeAgent>[1]>;

function surroundings(recogniser: Recogniser): Surroundings {
  // A bundle that is never opened.
  const manifest = { version: '1.0.0', calibration: { points: [] } };
  const bundle = { manifest, digest: sha256 } as unknown as VerifiedBundle;
  return {
    openRecogniser: async () => recogniser,
    selfTest: async () => undefined,
    releases: oneRelease(bundle),
  };
}

function listLogger(lines: string[]): Logger {
  const take = (fields: object, message: string): void => void lines.push(JSON.stringify({ ...fields, message }));
  const logger: Logger = { debug: take, info: take, warn: take, error: take, child: () => logger };
  return logger;
}
