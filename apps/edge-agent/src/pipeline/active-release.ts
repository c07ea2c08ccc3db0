import type { VerifiedBundle } from '@sightline/contracts';
import type { Logger } from '@sightline/kernel';
import type { Recogniser } from '@sightline/recognition';
import { createTemplateProtector, type TemplateKey } from '@sightline/template-protection';

import type { EdgeAgentConfig } from '../config/config.js';
import type { ActiveRelease } from './recogniser-slot.js';

/** Of one comparison of two tracks. A release that was not measured so far joins none. */
const SAME_PERSON_FALSE_MATCH_RATE = 1e-4;

/** What the box needs to know of a release whose recogniser was opened. */
export function activeRelease(
  bundle: VerifiedBundle,
  recogniser: Recogniser,
  key: TemplateKey,
  { config, log }: { readonly config: Pick<EdgeAgentConfig, 'cameras'>; readonly log: Logger },
): ActiveRelease {
  if (
    !recogniser.scoresPresentations &&
    config.cameras.some((camera) => camera.presentationAttack.mode === 'require')
  ) {
    const facts = { code: 'PRESENTATION.UNAVAILABLE', version: bundle.manifest.version };
    log.error(facts, 'the release scores no presentations: cameras that require a live one identify nobody');
  }
  const protector = createTemplateProtector({ ...key, dimension: recogniser.dimension });
  const { version, calibration } = bundle.manifest;
  const rare = calibration.points.filter(({ falseMatchRate }) => falseMatchRate <= SAME_PERSON_FALSE_MATCH_RATE);
  const samePersonThreshold = Math.min(...rare.map(({ threshold }) => threshold));
  return {
    version,
    digest: bundle.digest,
    recogniser,
    protector,
    samePersonThreshold,
    calibration: calibration.points,
  };
}
