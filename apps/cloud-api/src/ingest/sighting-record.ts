import { CloseReason, SightingPhase, type Sighting, type StageDurations } from '@sightline/contracts';
import { AppError, isAppError, isSha256, isUuid, type ErrorCode, type SightingId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';

import { localDecision, type LocalDecision } from '../identification/local-decision.js';
import type { SightingPhaseName } from '../storage/schema.js';
import { deviceMoment, type DeviceMoment } from './device-time.js';
import { presentationFromWire } from './presentation.js';
import { templateFromWire } from './wire-template.js';

/** One revision of one sighting, checked. */
export interface SightingRecord {
  readonly sightingId: SightingId;
  readonly revision: number;
  readonly phase: SightingPhaseName;
  readonly cameraId: string;
  readonly recordedAt: DeviceMoment;
  readonly firstSeenAt: DeviceMoment;
  readonly lastSeenAt: DeviceMoment;
  readonly releaseDigest: string;
  readonly trialArm: string;
  readonly shots: readonly Template[];
  /** Why the templates cannot be compared, when that shows already. The sighting itself is sound. */
  readonly refusalCode?: ErrorCode | undefined;
  /** What the box decided by itself. */
  readonly local?: LocalDecision | undefined;
  readonly quality: number;
  /** How live the person looked, 0 to 1; null where that was not scored. */
  readonly liveScore: number | null;
  readonly frames: number;
  readonly closeReason: 'left' | 'agent-stopped' | null;
  readonly stageMs: Readonly<Record<string, number>>;
  /** SHA-256 of the sealed image that the box has of it, 64 hexadecimal digits. */
  readonly imageDigest?: string | undefined;
}

const phases: Readonly<Partial<Record<SightingPhase, SightingPhaseName>>> = {
  [SightingPhase.OPEN]: 'open',
  [SightingPhase.UPDATE]: 'update',
  [SightingPhase.CLOSE]: 'close',
};

const closeReasons: Readonly<Partial<Record<CloseReason, 'left' | 'agent-stopped'>>> = {
  [CloseReason.LEFT]: 'left',
  [CloseReason.AGENT_STOPPED]: 'agent-stopped',
};

const MOST_SHOTS = 32;
const SHA256_BYTES = 32;
/** PostgreSQL's integer. */
const LARGEST_INTEGER = 2_147_483_647;
const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= LARGEST_INTEGER;
const isLabel = (text: string, longest: number): boolean => text.length <= longest && !/\p{Cc}/u.test(text);

/**
 * Checks a sighting as a device sent it.
 *
 * @throws AppError `SIGHTING.INVALID` that names the first value that cannot be
 */
export function sightingRecord(sighting: Sighting, recordedAt: DeviceMoment): SightingRecord {
  const { sightingId, revision, cameraId, releaseDigest, trialArm, quality, frames } = sighting;
  const phase = phases[sighting.phase];
  const firstSeenAt = deviceMoment(sighting.firstSeenAt);
  const lastSeenAt = deviceMoment(sighting.lastSeenAt);
  if (phase === undefined) throw invalid('phase');
  if (firstSeenAt === undefined) throw invalid('first_seen_at');
  if (lastSeenAt === undefined) throw invalid('last_seen_at');
  const impossible = impossibleField(sighting);
  if (impossible !== undefined) throw invalid(impossible);
  const presentation = presentationFromWire(sighting.presentationAttack);
  if (presentation === undefined) throw invalid('presentation_attack');
  const closeReason = closeReasons[sighting.closeReason] ?? null;
  return {
    ...{ sightingId: sightingId as SightingId, revision, phase, cameraId, recordedAt, firstSeenAt, lastSeenAt },
    ...{ releaseDigest, trialArm, quality, frames, closeReason },
    ...presentation,
    ...shotsOf(sighting, presentation.refusalCode),
    local: localDecision(sighting.localDecision),
    stageMs: durations(sighting.stageMs),
    imageDigest: sighting.sealedImageDigest && Buffer.from(sighting.sealedImageDigest).toString('hex'),
  };
}

/** The first field, by its name on the wire, whose value cannot be. */
function impossibleField({ sightingId, revision, cameraId, ...sighting }: Sighting): string | undefined {
  const { releaseDigest, trialArm, quality, frames, templates, sealedImageDigest: image } = sighting;
  const isPossible = {
    sighting_id: isUuid(sightingId),
    revision: revision >= 1 && isCount(revision),
    camera_id: cameraId !== '' && isLabel(cameraId, 100),
    release_digest: isSha256(releaseDigest),
    trial_arm: isLabel(trialArm, 100),
    quality: quality >= 0 && quality <= 1,
    frames: isCount(frames),
    templates: templates.length <= MOST_SHOTS,
    sealed_image_digest: image === undefined || image.length === SHA256_BYTES,
  };
  return Object.entries(isPossible).find(([, possible]) => !possible)?.[0];
}

/** A template that is malformed spoils the comparison, not the sighting. What is refused already is not compared. */
function shotsOf({ templates }: Sighting, refusalCode?: ErrorCode): Pick<SightingRecord, 'shots' | 'refusalCode'> {
  if (refusalCode !== undefined) return { shots: [], refusalCode };
  try {
    return { shots: templates.map(templateFromWire) };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { shots: [], refusalCode: error.code };
  }
}

function durations(stageMs: StageDurations | undefined): Readonly<Record<string, number>> {
  const { detect = 0, landmarks = 0, align = 0, embed = 0, presentation = 0 } = stageMs ?? {};
  const scored = presentation > 0 ? { presentation } : {};
  const stages = Object.entries({ detect, landmarks, align, embed, ...scored });
  return Object.fromEntries(stages.filter(([, ms]) => Number.isFinite(ms) && ms >= 0));
}

function invalid(field: string): AppError {
  return new AppError('SIGHTING.INVALID', `The field ${field} has a value that cannot be.`, { details: { field } });
}
