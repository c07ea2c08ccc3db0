import type { VerifiedBundle } from '@sightline/contracts';
import { startEdgeAgent, type EdgeAgent, type EdgeAgentConfigInput, type FrameSource } from '@sightline/edge-agent';
import type { Clock, Logger, Sha256, SpaceId } from '@sightline/kernel';
import type { Face, Recogniser } from '@sightline/recognition';
import {
  createTemplateProtector,
  encodeTemplate,
  type Template,
  type TemplateProtector,
} from '@sightline/template-protection';
import type { Frame } from '@sightline/vision';

import { provisioningOf, templateKey } from './local-people.js';
import { oneRelease } from './one-release.js';

const DIMENSION = 8;
const digest = 'a'.repeat(64) as Sha256;
const centre = { x: 0, y: 0 };

/** A frame before which somebody stands, 1 to 7, or nobody, 0. */
export function frameOf(person: number): Frame {
  return { width: 64, height: 64, data: new Uint8Array(3 * 64 * 64).fill(person) };
}

/** What the recogniser of {@link startActingAgent} makes of somebody. */
export function templateOf(person: number): Template {
  return embed(person, 0.8, createTemplateProtector({ ...templateKey, dimension: DIMENSION }));
}

function embed(person: number, quality: number, protector: TemplateProtector): Template {
  const vector = new Float32Array(DIMENSION);
  vector[person % DIMENSION] = 1;
  const { keyId } = protector;
  const spaceId = 'fake-space' as SpaceId;
  return encodeTemplate(protector.protect(vector), { spaceId, keyId, variantDigest: digest, codec: 'int8', quality });
}

/** Knows people by the first byte of a frame. */
function recogniserOfBytes(): Recogniser {
  return {
    ...{ spaceId: 'fake-space' as SpaceId, variantDigest: digest, dimension: DIMENSION, provider: 'cpu' },
    scoresPresentations: false,
    detect: async ({ data }) => {
      const [person = 0] = data;
      const face: Face = {
        ...{ box: { x: 10, y: 10, width: 40, height: 40 }, score: 0.9, quality: 0.8 },
        fivePoints: [centre, centre, centre, centre, centre],
        aligned: Uint8Array.of(person),
      };
      return { faces: person === 0 ? [] : [face], stageMs: { detect: 0, landmarks: 0, align: 0 } };
    },
    embed: async (faces, { protector }) => ({
      templates: faces.map(({ aligned, quality }) => embed(aligned[0] ?? 0, quality, protector)),
      embedMs: 0,
    }),
    liveScores: async () => ({ scores: [], presentationMs: 0 }),
    close: async () => undefined,
  };
}

export interface ActingAgentOptions {
  readonly directory: string;
  readonly mqtt: EdgeAgentConfigInput['provisioning']['mqtt'];
  readonly actions: NonNullable<EdgeAgentConfigInput['actions']>;
  readonly source: FrameSource;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The pictures stand still: all of them are searched nevertheless. */
export const everyFrame = {
  motionGate: { enabled: false },
  detection: { steadyIntervalMs: 0, maximumIntervalMs: 0 },
} as const;

/** A whole agent but for its models: cache, rules, outbox and uplink are real. Every pass is a sighting of its own. */
export function startActingAgent({
  directory,
  mqtt,
  actions,
  source,
  ...rest
}: ActingAgentOptions): Promise<EdgeAgent> {
  const points = [1e-5, 1e-4, 1e-3, 1e-2].map((falseMatchRate, index) => ({
    falseMatchRate,
    threshold: 0.6 - index / 10,
  }));
  const manifest = { version: '1.0.0', calibration: { points } };
  // Never opened.
  const bundle = { manifest, digest } as unknown as VerifiedBundle;
  return startEdgeAgent(
    {
      dataDirectory: directory,
      provisioning: provisioningOf(mqtt),
      cameras: [
        {
          ...{ id: 'door', source: { kind: 'folder', directory }, presentationAttack: { mode: 'off' } },
          ...everyFrame,
        },
      ],
      sighting: { closeAfterMs: 1000, cooldownMs: 0 },
      actions,
      uplink: { reconnectBaseMs: 100, reconnectCapMs: 500 },
      stopTimeoutMs: 2000,
    },
    {
      ...rest,
      openSource: async () => source,
      openRecogniser: async () => recogniserOfBytes(),
      selfTest: async () => undefined,
      releases: oneRelease(bundle),
    },
  );
}
