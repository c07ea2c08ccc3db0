-- One outbox of one device. Its row is locked while records of the stream are stored.
CREATE TABLE cloud.ingest_stream (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  stream_id uuid NOT NULL,
  -- Every sequence up to and including this one is committed or quarantined.
  committed_through bigint NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, device_id, stream_id),
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.device (tenant_id, id)
);

-- The idempotency key of each record. What the record did is in the other tables.
CREATE TABLE cloud.ingest_record (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  stream_id uuid NOT NULL,
  sequence bigint NOT NULL CHECK (sequence > 0),
  kind text NOT NULL CHECK (kind IN ('sighting', 'gap', 'quarantined')),
  sighting_id uuid,
  revision integer,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, device_id, stream_id, sequence)
);

-- Ranges that the box itself dropped: accounted for, without content.
CREATE TABLE cloud.ingest_gap (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  stream_id uuid NOT NULL,
  first_sequence bigint NOT NULL CHECK (first_sequence > 0),
  last_sequence bigint NOT NULL CHECK (last_sequence >= first_sequence),
  reason text NOT NULL,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, device_id, stream_id, first_sequence, last_sequence)
);

-- Where a boot's monotonic clock started, in cloud time: what late records are dated by.
CREATE TABLE cloud.device_boot (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  boot_id text NOT NULL,
  epoch_ms double precision NOT NULL,
  measured_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, device_id, boot_id)
);

CREATE TABLE cloud.quarantine (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  stream_id uuid,
  sequence bigint,
  code text NOT NULL,
  detail text NOT NULL,
  payload bytea NOT NULL,
  payload_sha256 bytea NOT NULL,
  received_at timestamptz NOT NULL,
  CONSTRAINT quarantine_once UNIQUE NULLS NOT DISTINCT (tenant_id, device_id, stream_id, sequence, payload_sha256)
);
CREATE INDEX quarantine_newest ON cloud.quarantine (tenant_id, received_at DESC, id DESC);
