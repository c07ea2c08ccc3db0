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

-- Who wants to hear of alerts, and how.
CREATE TABLE cloud.alert_subscription (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id uuid NOT NULL,
  label text NOT NULL,
  -- Empty: all of them.
  kinds text[] NOT NULL,
  watch_lists text[] NOT NULL,
  sites text[] NOT NULL,
  -- A time of every week; null: always.
  schedule jsonb,
  channel text NOT NULL CHECK (channel IN ('webhook', 'mqtt')),
  url text,
  -- What messages are signed with, wrapped under the key-encryption key; and what they were, for a while.
  wrapped_secret bytea,
  wrapped_previous_secret bytea,
  previous_secret_expires_at timestamptz,
  secret_rotated_at timestamptz,
  -- Null: it works.
  disabled_reason text CHECK (disabled_reason IN ('request', 'gone', 'failing')),
  -- Attempts that failed since the last that did not, and since when.
  failures integer NOT NULL DEFAULT 0,
  failing_since timestamptz,
  -- Nothing is sent before.
  paused_until timestamptz,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CHECK ((channel = 'webhook') = (url IS NOT NULL AND wrapped_secret IS NOT NULL)),
  CHECK ((wrapped_previous_secret IS NULL) = (previous_secret_expires_at IS NULL))
);
CREATE INDEX alert_subscription_newest ON cloud.alert_subscription (tenant_id, created_at DESC, id DESC);

-- One message to one subscription: of an alert, or of its retraction.
CREATE TABLE cloud.alert_delivery (
  tenant_id text NOT NULL,
  id uuid NOT NULL,
  alert_id uuid NOT NULL,
  subscription_id uuid NOT NULL,
  event text NOT NULL CHECK (event IN ('raised', 'retracted')),
  state text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed', 'cancelled')),
  attempts integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  -- When it is given up.
  expires_at timestamptz NOT NULL,
  next_attempt_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT alert_delivery_once UNIQUE (tenant_id, alert_id, subscription_id, event),
  FOREIGN KEY (tenant_id, alert_id) REFERENCES cloud.alert (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, subscription_id) REFERENCES cloud.alert_subscription (tenant_id, id) ON DELETE CASCADE,
  CHECK ((next_attempt_at IS NOT NULL) = (state = 'pending'))
);
CREATE INDEX alert_delivery_due ON cloud.alert_delivery (next_attempt_at) WHERE state = 'pending';
CREATE INDEX alert_delivery_subscription ON cloud.alert_delivery (tenant_id, subscription_id, state);

-- What became of each attempt.
CREATE TABLE cloud.alert_attempt (
  tenant_id text NOT NULL,
  delivery_id uuid NOT NULL,
  at timestamptz NOT NULL,
  status_code integer,
  code text,
  duration_ms double precision NOT NULL,
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES cloud.alert_delivery (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX alert_attempt_delivery ON cloud.alert_attempt (tenant_id, delivery_id, at);
