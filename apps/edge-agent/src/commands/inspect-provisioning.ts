import { X509Certificate, createPrivateKey } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { errorMessage, type TenantId } from '@sightline/kernel';
import { describeTrustedRoot } from '@sightline/release-trust';
import { templateKeyId } from '@sightline/template-protection';

import type { Finding } from './findings.js';
import { pem } from './reach-broker.js';

const DAY_MS = 86_400_000;
/** A client certificate that ends sooner deserves a word. */
const RENEW_BEFORE_MS = 14 * DAY_MS;

/** Whether a provisioning document is of one piece, as far as that shows without a network. */
export function inspectProvisioning(provisioning: rest.Provisioning, wallMs: number): readonly Finding[] {
  return [
    inspectTemplateKey(provisioning),
    inspectRoot(provisioning, wallMs),
    inspectBroker(provisioning),
    ...inspectTls(provisioning, wallMs),
    ...inspectEnrolment(provisioning, wallMs),
  ];
}

function inspectTemplateKey({ tenantId, templateKey }: rest.Provisioning): Finding {
  const about = 'provisioning.templateKey';
  const secret = Buffer.from(templateKey.secret, 'base64');
  if (secret.length !== 32) return { about, verdict: 'bad', message: 'the secret is not 32 bytes in base64' };
  const id = templateKeyId({ secret, tenantId: tenantId as TenantId, epoch: templateKey.epoch });
  return id === templateKey.keyId
    ? { about, verdict: 'good', message: `is key ${id}, epoch ${templateKey.epoch}` }
    : { about, verdict: 'bad', message: `is not the key that its id ${templateKey.keyId} names` };
}

function inspectRoot({ release }: rest.Provisioning, wallMs: number): Finding {
  const about = 'provisioning.release.trustedRoot';
  try {
    const { version, expiresAt } = describeTrustedRoot(Buffer.from(release.trustedRoot, 'base64'));
    // A newer root is reached through an expired one (TUF 5.3), so it is no reason to refuse.
    const isExpired = expiresAt.getTime() < wallMs;
    const message = `is TUF root ${version}, ${isExpired ? 'expired' : 'expires'} ${expiresAt.toISOString()}`;
    return { about, verdict: isExpired ? 'doubtful' : 'good', message };
  } catch (error) {
    return { about, verdict: 'bad', message: `is no TUF root: ${errorMessage(error)}` };
  }
}

function inspectBroker({ tenantId, deviceId, mqtt }: rest.Provisioning): Finding {
  const about = 'provisioning.mqtt';
  if (!URL.canParse(mqtt.url)) return { about, verdict: 'bad', message: 'the url is none' };
  const { protocol, hostname } = new URL(mqtt.url);
  if (mqtt.username !== `${tenantId}/${deviceId}`) {
    return { about, verdict: 'doubtful', message: `the user is not ${tenantId}/${deviceId}` };
  }
  const isPlain = protocol === 'mqtt:' || protocol === 'ws:';
  return isPlain && !isLoopback(hostname)
    ? { about, verdict: 'doubtful', message: 'is not encrypted: templates and the password can be read on the way' }
    : { about, verdict: 'good', message: `${protocol}//${hostname}` };
}

const isLoopback = (hostname: string): boolean => ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);

function inspectEnrolment({ enrolment }: rest.Provisioning, wallMs: number): readonly Finding[] {
  if (enrolment?.token === undefined) return [];
  const about = 'provisioning.enrolment';
  if (enrolment.url === undefined) {
    const message = 'has a token, and no address to take it to: --cloud-url names it; without, there is no certificate';
    return [{ about, verdict: 'doubtful', message }];
  }
  const { protocol, hostname } = new URL(enrolment.url);
  if (protocol !== 'https:' && !isLoopback(hostname)) {
    return [{ about, verdict: 'bad', message: 'the token would go unencrypted: the address must be https' }];
  }
  const isOver = enrolment.expiresAt !== undefined && Date.parse(enrolment.expiresAt) < wallMs;
  return isOver ? [{ about, verdict: 'doubtful', message: 'the token has expired, by the clock of this box' }] : [];
}

function inspectTls(provisioning: rest.Provisioning, wallMs: number): readonly Finding[] {
  const { tls } = provisioning.mqtt;
  if (!tls) return [];
  const findings: Finding[] = [];
  for (const part of ['ca', 'certificate'] as const) {
    const value = tls[part];
    if (value !== undefined) findings.push(inspectCertificate(`provisioning.mqtt.tls.${part}`, value, wallMs));
  }
  if (tls.certificate !== undefined && tls.key !== undefined) findings.push(inspectPair(tls.certificate, tls.key));
  else if (tls.certificate !== undefined || tls.key !== undefined) {
    findings.push({ about: 'provisioning.mqtt.tls', verdict: 'bad', message: 'certificate and key belong together' });
  }
  return findings;
}

function inspectCertificate(about: string, value: string, wallMs: number): Finding {
  try {
    const certificate = new X509Certificate(pem(value));
    const leftMs = Date.parse(certificate.validTo) - wallMs;
    if (leftMs < 0) return { about, verdict: 'bad', message: `has expired on ${certificate.validTo}` };
    const verdict = leftMs < RENEW_BEFORE_MS ? 'doubtful' : 'good';
    return { about, verdict, message: `is valid until ${certificate.validTo}` };
  } catch (error) {
    return { about, verdict: 'bad', message: `is no certificate: ${errorMessage(error)}` };
  }
}

function inspectPair(certificate: string, key: string): Finding {
  const about = 'provisioning.mqtt.tls.key';
  try {
    const matches = new X509Certificate(pem(certificate)).checkPrivateKey(createPrivateKey(pem(key)));
    return { about, verdict: matches ? 'good' : 'bad', message: `belongs ${matches ? '' : 'not '}to the certificate` };
  } catch {
    // Without the reason, which may quote the key.
    return { about, verdict: 'bad', message: 'is no private key' };
  }
}
