-- What somebody should be told, written in the transaction of what it is about. Delivery follows from these rows.
CREATE TABLE cloud.alert (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('watch-list', 'drift', 'retraining')),
  -- What makes it one: as long as an alert is not retracted, there is no second with its key.
  dedupe_key text NOT NULL,
  raised_at timestamptz NOT NULL,
  -- When it was the case: of a sighting, when the person was seen.
  occurred_at timestamptz NOT NULL,
  -- It was known later than it should: from a backlog, or a box that had been away.
  late boolean NOT NULL,
  site_id text,
  device_id text,
  camera_id text,
  watch_list text,
  person_id uuid,
  sighting_id uuid,
  revision integer,
  score double precision,
  -- Numbers and words of the kind itself, and ids; no names.
  details jsonb NOT NULL DEFAULT '{}',
  retracted_at timestamptz,
  retraction text CHECK (retraction IN ('revised', 'reviewed')),
  acknowledged_at timestamptz,
  acknowledged_by text,
  -- Null: nobody has looked yet who wants to hear of it, or of its retraction.
  raised_dispatched_at timestamptz,
  retracted_dispatched_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE SET NULL (person_id),
  CHECK ((retracted_at IS NULL) = (retraction IS NULL)),
  CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
  CHECK ((kind = 'watch-list') = (watch_list IS NOT NULL)),
  CHECK ((kind = 'watch-list') = (sighting_id IS NOT NULL AND revision IS NOT NULL))
);
CREATE UNIQUE INDEX alert_once ON cloud.alert (tenant_id, dedupe_key) WHERE retracted_at IS NULL;
CREATE INDEX alert_newest ON cloud.alert (tenant_id, raised_at DESC, id DESC);
CREATE INDEX alert_sighting ON cloud.alert (tenant_id, sighting_id) WHERE sighting_id IS NOT NULL;
-- The cooldown looks for the last alert of a person.
CREATE INDEX alert_person ON cloud.alert (tenant_id, person_id, occurred_at) WHERE person_id IS NOT NULL;
CREATE INDEX alert_undispatched ON cloud.alert (raised_at)
  WHERE raised_dispatched_at IS NULL OR (retracted_at IS NOT NULL AND retracted_dispatched_at IS NULL);

-- How a tenant is alerted of people on its watch-lists. Without a row: the defaults.
CREATE TABLE cloud.alert_policy (
  tenant_id text PRIMARY KEY REFERENCES cloud.tenant (id),
  cooldown_seconds integer NOT NULL CHECK (cooldown_seconds BETWEEN 0 AND 86400),
  cooldown_place text NOT NULL CHECK (cooldown_place IN ('camera', 'site')),
  late_after_seconds integer NOT NULL CHECK (late_after_seconds BETWEEN 1 AND 86400),
  maximum_age_seconds integer NOT NULL CHECK (maximum_age_seconds BETWEEN 60 AND 2592000),
  changed_at timestamptz NOT NULL
);

-- Which alerts a merge took along.
CREATE TABLE cloud.person_merge_alert (
  tenant_id text NOT NULL,
  merge_id uuid NOT NULL,
  alert_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, merge_id, alert_id),
  FOREIGN KEY (tenant_id, merge_id) REFERENCES cloud.person_merge (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, alert_id) REFERENCES cloud.alert (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX person_merge_alert_alert ON cloud.person_merge_alert (tenant_id, alert_id);

-- The lists that ingest asks for.
CREATE INDEX person_group_watch_list ON cloud.person_group (tenant_id, slug) WHERE kind = 'watch-list';
