import { createPrivateKey } from 'node:crypto';
import { join } from 'node:path';

import { AppError, type DeviceId, type Logger, type TenantId } from '@sightline/kernel';
import { certificatesFrom } from '@sightline/messaging';
import { templateKeyId, type TemplateKey } from '@sightline/template-protection';

import type { EdgeAgentConfig } from '../config/config.js';
import { BoxTemplateKey } from './box-template-key.js';
import { withRunningCertificate } from './certificates/compose-certificates.js';

/**
 * The template key that a box protects with.
 *
 * @throws AppError `CONFIG.INVALID` when the provisioned key is not the one that its id names
 */
export function openBoxTemplateKey(
  config: Pick<EdgeAgentConfig, 'dataDirectory' | 'provisioning'>,
  log: Logger,
): BoxTemplateKey {
  return new BoxTemplateKey({
    provisioned: templateKeyOf(config.provisioning),
    deviceId: config.provisioning.deviceId as DeviceId,
    path: join(config.dataDirectory, 'template-key.json'),
    privateKey: async () => {
      const { tls } = withRunningCertificate(config).mqtt;
      const { privateKey } = tls ? await certificatesFrom(tls)() : {};
      return privateKey === undefined ? undefined : createPrivateKey(privateKey);
    },
    log,
  });
}

function templateKeyOf({ tenantId, templateKey }: EdgeAgentConfig['provisioning']): TemplateKey {
  const key = {
    secret: Buffer.from(templateKey.secret, 'base64'),
    tenantId: tenantId as TenantId,
    epoch: templateKey.epoch,
  };
  if (templateKeyId(key) !== templateKey.keyId) {
    throw new AppError('CONFIG.INVALID', 'The template key is not the one that its id names.', {
      details: { keys: ['provisioning.templateKey.keyId'] },
    });
  }
  return key;
}
