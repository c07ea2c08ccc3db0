-- How many sequences of a gap held something that is stored nowhere else; superseded revisions do not.
ALTER TABLE cloud.ingest_gap ADD COLUMN lost_records bigint NOT NULL DEFAULT 0 CHECK (lost_records >= 0);

-- How a box was when it last said so.
CREATE TABLE cloud.device_health (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  received_at timestamptz NOT NULL,
  snapshot jsonb NOT NULL,
  PRIMARY KEY (tenant_id, device_id),
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.device (tenant_id, id)
);

-- What boxes counted, window by window. The key is the record's in its stream, so that a window that comes twice is
-- stored once; the oldest of a device are deleted as new ones come.
CREATE TABLE cloud.device_health_window (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  stream_id uuid NOT NULL,
  sequence bigint NOT NULL CHECK (sequence > 0),
  -- Cloud time, by the measured offset of the box's clock.
  started_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  release_digest text NOT NULL,
  trial_arm text NOT NULL,
  counters jsonb NOT NULL,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, device_id, stream_id, sequence),
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.device (tenant_id, id)
);
CREATE INDEX device_health_window_newest ON cloud.device_health_window (tenant_id, device_id, ended_at DESC);

-- What boxes were told to do, and what became of it.
CREATE TABLE cloud.device_command (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('ping', 'restart-camera', 'resync-gallery', 'collect-diagnostics')),
  camera_id text,
  state text NOT NULL
    CHECK (state IN ('pending', 'sent', 'accepted', 'progress', 'succeeded', 'failed', 'rejected', 'expired')),
  error text,
  figures jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (tenant_id, device_id, id),
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.device (tenant_id, id)
);
CREATE INDEX device_command_waiting ON cloud.device_command (tenant_id, device_id, created_at)
  WHERE state IN ('pending', 'sent');
