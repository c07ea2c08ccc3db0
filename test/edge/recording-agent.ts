import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { VerifiedBundle } from '@sightline/contracts';
import { startEdgeAgent, type CapturedFrame, type EdgeAgent, type EdgeAgentConfigInput } from '@sightline/edge-agent';
import type { Logger, Sha256, SpaceId } from '@sightline/kernel';
import type { Face, Recogniser } from '@sightline/recognition';

import { provisioningOf } from './local-people.js';
import { oneRelease } from './one-release.js';

const sha256 = 'a'.repeat(64) as Sha256;
const FRAME = { width: 64, height: 64 };

type Config = Partial<EdgeAgentConfigInput>;

/** A whole agent before which somebody passes for ever, too far away to be recognised: it records without a pause. */
export class RecordingAgent {
  /** Codes of what was logged. */
  readonly codes: string[] = [];
  readonly agent: EdgeAgent;

  private constructor(agent: EdgeAgent, codes: string[]) {
    this.agent = agent;
    this.codes = codes;
  }

  static async start(
    directory: string,
    mqtt: EdgeAgentConfigInput['provisioning']['mqtt'],
    config: Config = {},
  ): Promise<RecordingAgent> {
    const codes: string[] = [];
    const take = ({ code }: Readonly<Record<string, unknown>>): void => {
      if (typeof code === 'string') codes.push(code);
    };
    const log: Logger = { debug: () => undefined, info: take, warn: take, error: take, child: () => log };
    const manifest = { version: '1.0.0', calibration: { points: [] } };
    const bundle = { manifest, digest: sha256 } as unknown as VerifiedBundle;
    const agent = await startEdgeAgent(
      {
        dataDirectory: join(directory, 'agent'),
        provisioning: provisioningOf(mqtt),
        cameras: [{ id: 'door', source: { kind: 'folder', directory }, motionGate: { enabled: false } }],
        sighting: { closeAfterMs: 100, cooldownMs: 0 },
        uplink: { reconnectBaseMs: 100, reconnectCapMs: 500 },
        cache: { enabled: false },
        ...config,
      },
      {
        log,
        openSource: async () => ({ frames: passes }),
        openRecogniser: async () => recogniser,
        selfTest: async () => undefined,
        releases: oneRelease(bundle),
      },
    );
    return new RecordingAgent(agent, codes);
  }
}

/** Somebody for a tenth of a second, nobody for a fifth. */
async function* passes(signal: AbortSignal): AsyncIterable<CapturedFrame> {
  for (let index = 0; !signal.aborted; index += 1) {
    const tone = index % 15 < 6 ? 1 : 0;
    const data = new Uint8Array(FRAME.width * FRAME.height * 3).fill(tone);
    const capturedAt = { monotonicMs: performance.now(), wallMs: Date.now() };
    yield { frame: { ...FRAME, data }, index, streamMs: index * 20, capturedAt };
    await sleep(20);
  }
}

const face: Face = {
  box: { x: 10, y: 10, width: 30, height: 30 },
  score: 0.9,
  fivePoints: [
    { x: 18, y: 20 },
    { x: 32, y: 20 },
    { x: 25, y: 27 },
    { x: 20, y: 33 },
    { x: 30, y: 33 },
  ],
  quality: 0.1,
  aligned: new Uint8Array(112 * 112 * 3),
};

const recogniser: Recogniser = {
  spaceId: 'none' as SpaceId,
  variantDigest: sha256,
  dimension: 8,
  provider: 'cpu',
  scoresPresentations: false,
  detect: async ({ data }) => ({
    faces: data[0] === 1 ? [face] : [],
    faint: [],
    stageMs: { detect: 0, landmarks: 0, align: 0 },
  }),
  embed: async () => ({ templates: [], embedMs: 0 }),
  liveScores: async () => ({ scores: [], presentationMs: 0 }),
  close: async () => undefined,
};
