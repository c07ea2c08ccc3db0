-- The installation's authority for the certificates of boxes and of its broker. One at a time is in use.
CREATE TABLE cloud.certificate_authority (
  -- Subject key identifier, hexadecimal.
  key_id text PRIMARY KEY,
  -- DER.
  certificate bytea NOT NULL,
  -- PKCS #8, DER, under AES-256-GCM with the key-encryption key: nonce (12) || ciphertext || tag (16).
  wrapped_private_key bytea NOT NULL,
  created_at timestamptz NOT NULL,
  retired_at timestamptz
);
CREATE UNIQUE INDEX certificate_authority_in_use ON cloud.certificate_authority ((true)) WHERE retired_at IS NULL;

-- Every certificate that a box was given. Stays when the box is deleted: the revocation list names it until it expires.
CREATE TABLE cloud.device_certificate (
  -- Hexadecimal, lower case, 16 bytes.
  serial_number text PRIMARY KEY,
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  authority_key_id text NOT NULL,
  -- DER.
  certificate bytea NOT NULL,
  -- SHA-256 of SubjectPublicKeyInfo: a request that comes twice, its answer lost, gets the same certificate.
  public_key_sha256 bytea NOT NULL,
  -- How the box proved itself: SHA-256 of its enrolment token, or the serial number of the certificate before.
  enrolled_by bytea,
  renewal_of text,
  not_before timestamptz NOT NULL,
  not_after timestamptz NOT NULL,
  issued_at timestamptz NOT NULL,
  revoked_at timestamptz,
  revocation_reason text,
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.device (tenant_id, id),
  CHECK ((enrolled_by IS NULL) <> (renewal_of IS NULL)),
  CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
);
CREATE INDEX device_certificate_device ON cloud.device_certificate (tenant_id, device_id, issued_at);
CREATE INDEX device_certificate_revoked ON cloud.device_certificate (not_after) WHERE revoked_at IS NOT NULL;

-- Grows with every list that is signed (RFC 5280, 5.2.3).
CREATE TABLE cloud.certificate_revocation (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  list_number bigint NOT NULL
);
INSERT INTO cloud.certificate_revocation (list_number) VALUES (0);

ALTER TABLE cloud.device
  -- SHA-256 of a token of 256 random bits, with which the box asks for its first certificate.
  ADD COLUMN enrolment_token_sha256 bytea UNIQUE,
  ADD COLUMN enrolment_expires_at timestamptz,
  -- From then on neither password nor certificate is good for anything.
  ADD COLUMN revoked_at timestamptz,
  ADD COLUMN revocation_reason text,
  -- A deleted box is revoked and no longer shown; what it has recorded, and whom it may hold, stays on record.
  ADD COLUMN deleted_at timestamptz,
  -- What the box is desired to be set to, besides its site.
  ADD COLUMN desired_settings jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN config_changed_at timestamptz,
  -- What the box found wrong with the configuration that it has seen, by field.
  ADD COLUMN config_errors jsonb NOT NULL DEFAULT '[]',
  ADD CHECK (deleted_at IS NULL OR revoked_at IS NOT NULL);
CREATE INDEX device_revoked ON cloud.device (revoked_at) WHERE revoked_at IS NOT NULL;
