import type { ReleaseManifest } from '@sightline/contracts';
import type { OperatingPoint } from '@sightline/matching';
import type { Sha256 } from '@sightline/kernel';
import type { Recogniser } from '@sightline/recognition';

/** A release that passed its self-test and runs here. */
export interface ActiveRelease {
  readonly manifest: Pick<ReleaseManifest, 'version' | 'modelSpace' | 'calibration'>;
  readonly digest: Sha256;
  readonly recogniser: Recogniser;
}

/** An active release with the bar that decisions are held against. */
export interface CalibratedRelease extends ActiveRelease {
  readonly operatingPoint: OperatingPoint;
}

/** Where the cloud API gets its models from. */
export interface ReleaseSource {
  /** @throws AppError, retryable or not: it is asked again later */
  open(signal: AbortSignal): Promise<ActiveRelease>;
}
