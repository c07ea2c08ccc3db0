CREATE TABLE cloud.device (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id text NOT NULL,
  site_id text NOT NULL,
  -- SHA-256 of a password of 256 random bits: a slow hash would add nothing to such a secret.
  password_sha256 bytea NOT NULL,
  online boolean NOT NULL DEFAULT false,
  -- The session of the last birth: a death of another session is old news.
  session_id text,
  last_seen_at timestamptz,
  agent_version text,
  provider text,
  release_version text,
  release_digest text,
  model_space text,
  config_version bigint NOT NULL DEFAULT 1,
  config_version_seen bigint,
  config_status text,
  config_error text,
  release_version_seen bigint,
  release_status text,
  release_error text,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
