import type { Sha256, TenantId } from '@sightline/kernel';
import { createTemplateProtector, templateKeyId, type TemplateProtector } from '@sightline/template-protection';

import type { EdgeAgentConfigInput } from '../config/config.js';
import type { ActiveRelease } from '../pipeline/recogniser-slot.js';
import { FakeRecogniser } from './fake-recognition.js';

const key = { secret: Buffer.alloc(32, 7), tenantId: 'acme' as TenantId, epoch: 1 };

/** A release digest of one repeated digit. */
export const digestOf = (digit: string): Sha256 => digit.repeat(64) as Sha256;

/** The test tenant's transform. */
export function testProtector(dimension: number): TemplateProtector {
  return createTemplateProtector({ ...key, dimension });
}

/** As a release states it. */
const calibration = [
  { falseMatchRate: 1e-5, threshold: 0.6 },
  { falseMatchRate: 1e-3, threshold: 0.4 },
];

/** A release that runs on the fake recogniser. */
export function fakeRelease(
  digit = 'a',
  recogniser = new FakeRecogniser(),
): ActiveRelease & { readonly recogniser: FakeRecogniser } {
  const protector = testProtector(recogniser.dimension);
  return { version: '1.0.0', digest: digestOf(digit), recogniser, protector, samePersonThreshold: 0.5, calibration };
}

export function testProvisioning(
  mqtt: EdgeAgentConfigInput['provisioning']['mqtt'],
): EdgeAgentConfigInput['provisioning'] {
  return {
    tenantId: 'acme',
    deviceId: 'door-1',
    siteId: 'main',
    mqtt,
    templateKey: { keyId: templateKeyId(key), epoch: key.epoch, secret: key.secret.toString('base64') },
    release: { repositoryUrl: 'http://127.0.0.1:9/repository', trustedRoot: 'e30=' },
  };
}
