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

-- The retraining loop: at which sites it is on, and what it aims at. Without a row: nowhere.
CREATE TABLE cloud.retraining_policy (
  tenant_id text PRIMARY KEY REFERENCES cloud.tenant (id),
  policy jsonb NOT NULL,
  changed_at timestamptz NOT NULL
);

-- Which sightings somebody has said whose they are, as it was at one time. It holds no template: probes are kept for as
-- long as a set has their sighting.
CREATE TABLE cloud.labelled_set (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id uuid NOT NULL,
  -- Counts the sets of one purpose.
  version integer NOT NULL,
  purpose text NOT NULL,
  sites text[] NOT NULL,
  seen_from timestamptz NOT NULL,
  seen_until timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  expires_at timestamptz NOT NULL,
  -- Members at first, and how many left since because somebody was erased.
  members integer NOT NULL,
  erased integer NOT NULL DEFAULT 0,
  approved_at timestamptz,
  approved_by text,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT labelled_set_version UNIQUE (tenant_id, purpose, version),
  CHECK ((approved_at IS NULL) = (approved_by IS NULL)),
  CHECK (approved_by <> created_by)
);
CREATE INDEX labelled_set_newest ON cloud.labelled_set (tenant_id, created_at DESC, id DESC);
CREATE INDEX labelled_set_expiry ON cloud.labelled_set (expires_at);

CREATE TABLE cloud.labelled_set_member (
  tenant_id text NOT NULL,
  set_id uuid NOT NULL,
  sighting_id uuid NOT NULL,
  revision integer NOT NULL,
  label text NOT NULL CHECK (label IN ('is-person', 'not-person')),
  -- Who it is, or is not. Whoever is erased leaves every set.
  person_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, set_id, sighting_id),
  FOREIGN KEY (tenant_id, set_id) REFERENCES cloud.labelled_set (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, sighting_id, revision)
    REFERENCES cloud.identification (tenant_id, sighting_id, revision) ON DELETE CASCADE
);
CREATE INDEX labelled_set_member_sighting ON cloud.labelled_set_member (tenant_id, sighting_id);
CREATE INDEX labelled_set_member_person ON cloud.labelled_set_member (tenant_id, person_id);

-- The active release on the labelled sightings of a site. Figures alone: nobody is named in it.
CREATE TABLE cloud.site_evaluation (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id uuid NOT NULL,
  set_id uuid NOT NULL,
  site_id text NOT NULL,
  cause text NOT NULL CHECK (cause IN ('request', 'drift')),
  state text NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
  failure_code text,
  created_at timestamptz NOT NULL,
  finished_at timestamptz,
  figures jsonb,
  PRIMARY KEY (tenant_id, id),
  CHECK ((figures IS NOT NULL) = (state = 'done')),
  CHECK ((finished_at IS NULL) = (state = 'waiting'))
);
CREATE INDEX site_evaluation_newest ON cloud.site_evaluation (tenant_id, created_at DESC, id DESC);
CREATE INDEX site_evaluation_waiting ON cloud.site_evaluation (created_at) WHERE state = 'waiting';

-- What an evaluation comes to. An admin decides about it.
CREATE TABLE cloud.retraining_proposal (
  tenant_id text NOT NULL,
  id uuid NOT NULL,
  evaluation_id uuid NOT NULL,
  site_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('recalibration', 'candidate-release', 'insufficient-evidence')),
  state text NOT NULL CHECK (state IN ('open', 'accepted', 'reverted', 'dismissed', 'superseded')),
  -- Of the embedder that it holds for.
  variant_digest text NOT NULL,
  -- Of a recalibration: the threshold's offset before, and after.
  offset_before double precision,
  offset_after double precision,
  created_at timestamptz NOT NULL,
  decided_at timestamptz,
  decided_by text,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, evaluation_id) REFERENCES cloud.site_evaluation (tenant_id, id) ON DELETE CASCADE,
  CHECK ((kind = 'recalibration') = (offset_before IS NOT NULL AND offset_after IS NOT NULL))
);
CREATE INDEX retraining_proposal_newest ON cloud.retraining_proposal (tenant_id, created_at DESC, id DESC);
CREATE INDEX retraining_proposal_evaluation ON cloud.retraining_proposal (tenant_id, evaluation_id);
CREATE INDEX retraining_proposal_open ON cloud.retraining_proposal (tenant_id, site_id) WHERE state = 'open';
