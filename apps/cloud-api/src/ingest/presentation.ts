import type { PresentationAttack } from '@sightline/contracts';
import type { ErrorCode } from '@sightline/kernel';

/** What a box says of how live somebody looked. */
export interface Presentation {
  /** 0 to 1; null where nothing was scored. */
  readonly liveScore: number | null;
  /** Why nobody may be named, by what the camera required when it recorded. */
  readonly refusalCode?: ErrorCode | undefined;
}

/** @returns undefined when it has values that cannot be */
export function presentationFromWire(wire: PresentationAttack | undefined): Presentation | undefined {
  if (wire === undefined) return { liveScore: null };
  const { liveScore, shots, requiredLiveScore } = wire;
  if (!isShare(liveScore) || !isShare(requiredLiveScore)) return undefined;
  if (shots === 0) {
    return { liveScore: null, ...(requiredLiveScore > 0 && { refusalCode: 'PRESENTATION.NOT_ASSESSED' }) };
  }
  return { liveScore, ...(liveScore < requiredLiveScore && { refusalCode: 'PRESENTATION.NOT_LIVE' }) };
}

function isShare(value: number): boolean {
  return value >= 0 && value <= 1;
}
