-- A tenant that is suspended exists with all its data, and is let in nowhere.
ALTER TABLE cloud.tenant ADD COLUMN label text NOT NULL DEFAULT '';
ALTER TABLE cloud.tenant ADD COLUMN suspended_at timestamptz;

ALTER TABLE cloud.api_key ADD COLUMN label text NOT NULL DEFAULT '';
-- The keys that exist already may do everything, as they could before.
ALTER TABLE cloud.api_key ADD COLUMN role text NOT NULL DEFAULT 'admin'
  CHECK (role IN ('admin', 'operator', 'auditor', 'device'));
-- The one box that a key of the role device acts for.
ALTER TABLE cloud.api_key ADD COLUMN device_id text;
ALTER TABLE cloud.api_key ADD CONSTRAINT api_key_device CHECK ((role = 'device') = (device_id IS NOT NULL));
ALTER TABLE cloud.api_key ADD CONSTRAINT api_key_of_device
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.device (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE cloud.api_key ADD COLUMN expires_at timestamptz;
-- To the minute: written at most that often.
ALTER TABLE cloud.api_key ADD COLUMN last_used_at timestamptz;
CREATE INDEX api_key_newest ON cloud.api_key (tenant_id, created_at DESC, id DESC);

-- Keys that sign the tokens which this installation issues. The private half is wrapped by the key-encryption key, as
-- template keys are. The newest signs; the others still verify what they signed.
CREATE TABLE cloud.token_signing_key (
  key_id text PRIMARY KEY,
  -- SubjectPublicKeyInfo, DER.
  public_key bytea NOT NULL,
  wrapped_private_key bytea NOT NULL,
  created_at timestamptz NOT NULL
);
