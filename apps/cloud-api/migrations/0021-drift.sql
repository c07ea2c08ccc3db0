-- How a tenant watches for drift. Without a row: the defaults.
CREATE TABLE cloud.drift_policy (
  tenant_id text PRIMARY KEY REFERENCES cloud.tenant (id),
  policy jsonb NOT NULL,
  changed_at timestamptz NOT NULL
);

-- What is watched: the sightings of one camera by one release and embedder variant, against a baseline of their own.
CREATE TABLE cloud.drift_watch (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id uuid NOT NULL,
  device_id text NOT NULL,
  camera_id text NOT NULL,
  site_id text NOT NULL,
  release_digest text NOT NULL,
  variant_digest text NOT NULL,
  created_at timestamptz NOT NULL,
  -- From this hour on sightings are counted for the baseline.
  baseline_from timestamptz NOT NULL,
  -- Null: it is still being collected. Then it is frozen.
  baseline_until timestamptz,
  baseline_origin text NOT NULL CHECK (baseline_origin IN ('first-sightings', 'accepted', 'collected-anew')),
  -- Counts by measure and bin; while it is collected, of what there is so far.
  baseline jsonb NOT NULL,
  compared_at timestamptz,
  -- An episode of drift: since when, and its random id.
  drifting_since timestamptz,
  episode uuid,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT drift_watch_once UNIQUE (tenant_id, device_id, camera_id, release_digest, variant_digest),
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.device (tenant_id, id),
  CHECK ((drifting_since IS NULL) = (episode IS NULL))
);
CREATE INDEX drift_watch_newest ON cloud.drift_watch (tenant_id, created_at DESC, id DESC);

-- One comparison of a window with the baseline.
CREATE TABLE cloud.drift_report (
  tenant_id text NOT NULL,
  id uuid NOT NULL,
  watch_id uuid NOT NULL,
  compared_at timestamptz NOT NULL,
  window_from timestamptz NOT NULL,
  window_until timestamptz NOT NULL,
  measures jsonb NOT NULL,
  drifting boolean NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, watch_id) REFERENCES cloud.drift_watch (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX drift_report_watch ON cloud.drift_report (tenant_id, watch_id, compared_at DESC, id DESC);
CREATE INDEX drift_report_age ON cloud.drift_report (tenant_id, compared_at);
