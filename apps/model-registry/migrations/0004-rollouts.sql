-- What is known of each device: by its births, its reported state and the steps of its updates. Times ending in
-- "boot_ms" are the device's monotonic ones, by which messages of one boot are put in order.
CREATE TABLE fleet_device (
  tenant_id             text        NOT NULL,
  device_id             text        NOT NULL,
  device_class          text        NOT NULL,
  running_version       text,
  running_digest        text,
  running_boot_id       text,
  running_boot_ms       bigint,
  step                  integer,
  step_document_version bigint,
  step_digest           text,
  step_error            text,
  step_attempt          integer,
  step_received_bytes   bigint,
  step_total_bytes      bigint,
  step_at               timestamptz,
  step_boot_id          text,
  step_boot_ms          bigint,
  first_seen_at         timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, device_id)
);
-- Devices that are in the field already. What they run they say when their retained state is read.
INSERT INTO fleet_device (tenant_id, device_id, device_class, first_seen_at)
  SELECT tenant_id, device_id, coalesce((SELECT b.device_class FROM device_benchmark b
    WHERE (b.tenant_id, b.device_id) = (d.tenant_id, d.device_id) ORDER BY b.measured_at DESC LIMIT 1), 'unknown'), changed_at
  FROM desired_release d;

-- Which rollout decides about a device, by its number; NULL: none, it keeps what it
-- was told at first. And how far its documents have
-- been published: whoever changes one leaves it to be published.
ALTER TABLE desired_release
  ADD COLUMN rollout_number    bigint,
  ADD COLUMN published_version bigint NOT NULL DEFAULT 0;
UPDATE desired_release SET published_version = version;
CREATE INDEX desired_release_unpublished ON desired_release (tenant_id, device_id) WHERE published_version < version;

CREATE TABLE rollout (
  id               uuid        PRIMARY KEY,
  -- Of two rollouts that have a device, the one with the higher number decides about it.
  number           bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
  tenant_id        text        NOT NULL,
  -- What was asked for, with the digests of its releases. Never changed.
  plan             jsonb       NOT NULL,
  note             text        NOT NULL,
  status           text        NOT NULL CHECK (status IN
    ('running', 'paused', 'completed', 'cancelled', 'rolling-back', 'rolled-back', 'superseded')),
  stage            integer     NOT NULL CHECK (stage >= 0),
  stage_started_at timestamptz NOT NULL,
  completed_at     timestamptz,
  reason           text,
  created_at       timestamptz NOT NULL,
  created_by       text        NOT NULL
);
CREATE INDEX rollout_tenant ON rollout (tenant_id, number DESC);

CREATE TABLE rollout_device (
  rollout_id       uuid        NOT NULL REFERENCES rollout ON DELETE CASCADE,
  tenant_id        text        NOT NULL,
  device_id        text        NOT NULL,
  stage            integer     NOT NULL,
  -- NULL: the rollout has none for it.
  release_version  text,
  release_digest   text,
  previous_version text        NOT NULL,
  previous_digest  text        NOT NULL,
  goal             text        NOT NULL CHECK (goal IN ('release', 'previous')),
  document_version bigint,
  offered_at       timestamptz,
  deadline_at      timestamptz,
  bucket           text        NOT NULL CHECK (bucket IN
    ('ok', 'failed', 'silent', 'rejected', 'superseded', 'withdrawn', 'pending')),
  error            text        NOT NULL,
  settled_at       timestamptz,
  fell_back_at     timestamptz,
  PRIMARY KEY (rollout_id, tenant_id, device_id),
  CHECK ((offered_at IS NULL) = (document_version IS NULL) AND (offered_at IS NULL) = (deadline_at IS NULL)),
  CHECK ((release_version IS NULL) = (release_digest IS NULL))
);

-- What happened to a rollout, oldest first. An entry made by nobody was the registry's own decision. Counts are those
-- of the moment, so that what became of the release before a rollback stays known.
CREATE TABLE rollout_event (
  number     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rollout_id uuid        NOT NULL REFERENCES rollout ON DELETE CASCADE,
  at         timestamptz NOT NULL,
  kind       text        NOT NULL,
  stage      integer     NOT NULL,
  actor      text,
  reason     text,
  counts     jsonb       NOT NULL
);
CREATE INDEX rollout_event_rollout ON rollout_event (rollout_id, number);
