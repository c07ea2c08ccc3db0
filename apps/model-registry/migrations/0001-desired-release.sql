-- What each device is told to run. One row a device; its version grows with every change and is what a
-- device compares, so a row is never deleted and never goes back.
CREATE TABLE desired_release (
  tenant_id       text        NOT NULL,
  device_id       text        NOT NULL,
  version         bigint      NOT NULL CHECK (version >= 1),
  release_version text        NOT NULL,
  release_digest  text        NOT NULL CHECK (release_digest ~ '^[0-9a-f]{64}$'),
  repository_url  text        NOT NULL,
  changed_at      timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, device_id)
);
