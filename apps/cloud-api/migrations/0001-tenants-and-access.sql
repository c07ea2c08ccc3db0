-- Every table carries the tenant. Runs inside the schema `cloud`.
CREATE TABLE cloud.tenant (
  id text PRIMARY KEY,
  created_at timestamptz NOT NULL
);

CREATE TABLE cloud.api_key (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  -- First characters, to recognise a key by; far too few to guess the rest.
  prefix text NOT NULL,
  sha256 bytea NOT NULL UNIQUE,
  -- Whether it came from the environment; then the next start with another key revokes it.
  bootstrap boolean NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE cloud.template_key (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  epoch integer NOT NULL CHECK (epoch > 0),
  key_id text NOT NULL,
  -- AES-256-GCM under the key-encryption key: nonce (12) || ciphertext (32) || tag (16).
  wrapped_secret bytea NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, epoch)
);
