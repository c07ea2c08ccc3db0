import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { VerifiedBundle } from '@sightline/contracts';
import { systemClock, type Sha256 } from '@sightline/kernel';
import { ReleaseStore } from '@sightline/release-trust';

import type { FrameSource } from '../capture/frame-source.js';
import { startEdgeAgent, type EdgeAgentSurroundings } from '../composition-root.js';
import type { EdgeAgentConfigInput } from '../config/config.js';
import type { EdgeAgent } from '../edge-agent.js';
import { FakeRecogniser } from './fake-recognition.js';
import { testProvisioning } from './fixtures.js';
import { TestCloud } from './test-cloud.js';
import { TestLog } from './test-log.js';

/** A bundle of which only the identity matters. */
export function fakeBundle(version: string, digest: Sha256): VerifiedBundle {
  const calibration = { points: [{ falseMatchRate: 1e-4, threshold: 0.5 }] };
  return {
    manifest: { version, calibration },
    digest,
    read: async () => new Uint8Array(0),
  } as unknown as VerifiedBundle;
}

interface StoredBundles {
  readonly current?: VerifiedBundle | undefined;
  readonly previous?: VerifiedBundle | undefined;
}

type Pointer = Readonly<Partial<Record<'current' | 'previous', { readonly digest: string }>>>;

/**
 * A box for tests: a data directory that survives restarts, releases on a shelf in the place of a repository,
 * the fake recogniser, and a cloud that is real but for its database.
 */
export class AgentStage {
  readonly cloud = new TestCloud();
  readonly directory = mkdtempSync(join(tmpdir(), 'sightline-agent-'));
  log = new TestLog();
  /** What the repository has, by digest. */
  readonly shelf = new Map<string, VerifiedBundle>();
  readonly recognisers: FakeRecogniser[] = [];
  downloads = 0;
  /** Thrown by the next download or self-test. */
  readonly failures: { download?: Error[]; selfTest?: Error[] } = {};
  readonly #agents: EdgeAgent[] = [];
  readonly #activated = new Map<string, VerifiedBundle>();

  /** What the release store says is active, and what was before. */
  get active(): StoredBundles {
    const { current, previous } = JSON.parse(readFileSync(this.#pointerPath, 'utf8')) as Pointer;
    return { current: current && this.#bundle(current.digest), previous: previous && this.#bundle(previous.digest) };
  }

  set active({ current, previous }: StoredBundles) {
    const slotOf = (bundle: VerifiedBundle) => {
      this.#activated.set(bundle.digest, bundle);
      return { version: bundle.manifest.version, digest: bundle.digest, activatedAt: '2026-01-01T00:00:00Z' };
    };
    const pointer = { current: current && slotOf(current), previous: previous && slotOf(previous) };
    mkdirSync(dirname(this.#pointerPath), { recursive: true });
    writeFileSync(this.#pointerPath, JSON.stringify({ formatVersion: 1, ...pointer }));
  }

  async start(sources: readonly FrameSource[], config: Partial<EdgeAgentConfigInput> = {}): Promise<EdgeAgent> {
    const cameras = sources.map((_, index) => ({
      id: `cam-${index + 1}`,
      source: { kind: 'folder', directory: this.directory } as const,
      // Scripted frames have no pixels.
      motionGate: { enabled: false },
      detection: { steadyIntervalMs: 0 },
    }));
    const input: EdgeAgentConfigInput = {
      dataDirectory: join(this.directory, 'data'),
      provisioning: testProvisioning(this.cloud.mqtt),
      cameras,
      sighting: { closeAfterMs: 300, cooldownMs: 0 },
      delivery: { acknowledgementTimeoutMs: 300 },
      uplink: { reconnectBaseMs: 100, reconnectCapMs: 500 },
      stopTimeoutMs: 1000,
      // Sockets cannot be copied with the data directory, and the tests of the local API have their own.
      localApi: { enabled: false },
      ...config,
    };
    const agent = await startEdgeAgent(input, this.#surroundings(sources));
    this.#agents.push(agent);
    return agent;
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) await agent.stop();
    await this.cloud.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  get #pointerPath(): string {
    return join(this.directory, 'data', 'releases', 'current.json');
  }

  #bundle(digest: string): VerifiedBundle {
    const bundle = this.#activated.get(digest) ?? this.shelf.get(digest);
    if (!bundle) throw new Error('no such bundle was made');
    return bundle;
  }

  #surroundings(sources: readonly FrameSource[]): Partial<EdgeAgentSurroundings> {
    const unopened = [...sources];
    return {
      clock: systemClock,
      log: this.log,
      openSource: async () => {
        const source = unopened.shift();
        if (!source) throw new Error('one source for each camera');
        return source;
      },
      openRecogniser: async () => {
        const recogniser = new FakeRecogniser();
        this.recognisers.push(recogniser);
        return recogniser;
      },
      selfTest: async () => {
        const failure = this.failures.selfTest?.shift();
        if (failure) throw failure;
      },
      releases: (directory) => ({
        client: {
          download: async (selector) => {
            this.downloads += 1;
            const failure = this.failures.download?.shift();
            if (failure) throw failure;
            const bundle = this.shelf.get(selector?.digest ?? '');
            if (!bundle) throw new Error('not on the shelf');
            return bundle;
          },
        },
        store: new ReleaseStore({ directory, clock: systemClock, open: async (digest) => this.#bundle(digest) }),
      }),
    };
  }
}
