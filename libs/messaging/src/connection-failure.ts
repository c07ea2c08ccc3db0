import { AppError, errorMessage, isAppError, type ErrorCode } from '@sightline/kernel';

/** What an alert of the broker says of the certificate that we showed (RFC 8446, section 6.2), by OpenSSL's names. */
const ALERTS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/CERTIFICATE_REVOKED/, 'MQTT.CERTIFICATE_REVOKED', 'The broker says that the client certificate was revoked.'],
  [/ALERT_CERTIFICATE_EXPIRED/, 'MQTT.CERTIFICATE_EXPIRED', 'The broker says that the client certificate has expired.'],
  [/ALERT_UNKNOWN_CA/, 'MQTT.CERTIFICATE_UNKNOWN', 'The broker does not know who issued the client certificate.'],
  [
    /CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE/,
    'MQTT.CERTIFICATE_REQUIRED',
    'The broker wants a client certificate that it was not shown.',
  ],
  [
    /ALERT_(BAD|UNSUPPORTED)_CERTIFICATE|ALERT_CERTIFICATE_UNKNOWN|ALERT_ACCESS_DENIED|ALERT_DECRYPT_ERROR/,
    'MQTT.CERTIFICATE_REFUSED',
    'The broker does not take the client certificate.',
  ],
  [
    /KEY_VALUES_MISMATCH|ERR_OSSL_|ERR_CRYPTO|PEM|NO_START_LINE/,
    'MQTT.CERTIFICATE_INVALID',
    'The certificate and its key cannot be used together.',
  ],
];

/** What is wrong with the broker's own certificate, by Node's names. */
const BROKER: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [
    /^CERT_NOT_YET_VALID$/,
    'MQTT.BROKER_NOT_YET_VALID',
    'The broker’s certificate is not valid yet: the clock of this machine may be behind.',
  ],
  [/^CERT_HAS_EXPIRED$/, 'MQTT.BROKER_EXPIRED', 'The broker’s certificate has expired, by the clock of this machine.'],
  [
    /^(UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|CERT_|ERR_TLS_CERT|INVALID_CA|PATH_LENGTH|HOSTNAME_MISMATCH)/,
    'MQTT.BROKER_UNTRUSTED',
    'The broker’s certificate is not vouched for.',
  ],
];

/** CONNACK (MQTT 3.1.1, section 3.2.2.3): bad user name or password, not authorised. */
const REFUSED_RETURN_CODES: readonly unknown[] = [4, 5];

/** Gives a failure of connecting its code. Those that nothing but a change of credentials cures are not retryable. */
export function connectionFailure(error: unknown, reason = errorMessage(error)): AppError {
  if (isAppError(error)) return error;
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (REFUSED_RETURN_CODES.includes(code)) {
    return new AppError('MQTT.BAD_CREDENTIALS', 'The broker does not take the credentials.', { cause: error });
  }
  const text = String(code);
  const known = [...ALERTS, ...BROKER].find(([pattern]) => pattern.test(text));
  if (known) return new AppError(known[1], known[2], { cause: error });
  return new AppError('MQTT.UNREACHABLE', reason, { retryable: true, cause: error });
}
