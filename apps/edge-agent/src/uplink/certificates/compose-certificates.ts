import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { Clock, Logger } from '@sightline/kernel';
import { certificatesFrom, type MqttTlsSource } from '@sightline/messaging';

import type { EdgeAgentConfig } from '../../config/config.js';
import type { TrustedTime } from '../../trusted-time.js';
import type { UplinkPart } from '../uplink-part.js';
import { CertificateFile } from './certificate-file.js';
import { CertificateRenewal } from './certificate-renewal.js';

export interface CertificatesOptions {
  readonly config: Pick<EdgeAgentConfig, 'dataDirectory' | 'provisioning'>;
  readonly trustedTime: Pick<TrustedTime, 'nowMs'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/**
 * What the box shows and trusts over TLS. Where it was enrolled with the cloud it renews its certificate by itself;
 * certificates that somebody else looks after are used as they are.
 *
 * @throws AppError `CONFIG.INVALID` when the provisioned certificate cannot be used
 */
export function composeCertificates({ config, trustedTime, ...rest }: CertificatesOptions): {
  readonly tls: MqttTlsSource | undefined;
  readonly parts: readonly UplinkPart[];
} {
  const { mqtt, enrolment } = config.provisioning;
  if (!mqtt.tls) return { tls: undefined, parts: [] };
  const { ca, certificate, key } = mqtt.tls;
  if (enrolment?.url === undefined || certificate === undefined || key === undefined)
    return { tls: certificatesFrom(mqtt.tls), parts: [] };
  const file = new CertificateFile(
    join(config.dataDirectory, 'device-certificate.pem'),
    { certificate, key },
    rest.log,
  );
  const renewal = new CertificateRenewal({
    ...{ file, url: enrolment.url, username: mqtt.username, nowMs: () => trustedTime.nowMs() },
    ...rest,
  });
  return { tls: certificatesFrom({ ca, certificate: file.path, key: file.path }), parts: [renewal] };
}

const certificatePath = ({ dataDirectory }: Pick<EdgeAgentConfig, 'dataDirectory'>): string =>
  join(dataDirectory, 'device-certificate.pem');

/** The provisioning with the certificate that the agent has come to use in the place of its first one. */
export function withRunningCertificate(
  config: Pick<EdgeAgentConfig, 'dataDirectory' | 'provisioning'>,
): EdgeAgentConfig['provisioning'] {
  const { provisioning } = config;
  const { mqtt, enrolment } = provisioning;
  const path = certificatePath(config);
  if (!mqtt.tls?.certificate || enrolment?.url === undefined || !existsSync(path)) return provisioning;
  return { ...provisioning, mqtt: { ...mqtt, tls: { ...mqtt.tls, certificate: path, key: path } } };
}
