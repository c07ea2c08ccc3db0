-- Figures of what was seen, counted from sightings by a job: see docs/analytics.md and ADR 23.

-- What is counted apart: one camera with one release and one embedder variant.
CREATE TABLE cloud.analytics_series (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id text NOT NULL,
  site_id text NOT NULL,
  device_id text NOT NULL,
  camera_id text NOT NULL,
  release_digest text NOT NULL,
  -- Of the probe; empty where there was none.
  variant_digest text NOT NULL,
  UNIQUE (tenant_id, site_id, device_id, camera_id, release_digest, variant_digest)
);

-- One hour (UTC) of a series, by the time of first sight. Nobody is named in it, and it outlives its sightings.
CREATE TABLE cloud.analytics_hour (
  tenant_id text NOT NULL,
  hour timestamptz NOT NULL,
  series_id integer NOT NULL,
  identified integer NOT NULL,
  ambiguous integer NOT NULL,
  unknown integer NOT NULL,
  refused integer NOT NULL,
  -- From first to last sight, added up.
  dwell_ms bigint NOT NULL,
  -- The same by quarter of the hour, for time zones whose hours begin at another minute: of each quarter identified,
  -- ambiguous, unknown and refused.
  quarter_counts integer[] NOT NULL,
  quarter_dwell_ms bigint[] NOT NULL,
  -- Histograms; their bins are in analytics/bins.ts and never change.
  identified_scores integer[] NOT NULL,
  other_scores integer[] NOT NULL,
  qualities integer[] NOT NULL,
  dwells integer[] NOT NULL
);
-- With what a chart of counts asks for, so that it is answered from the index alone.
CREATE UNIQUE INDEX analytics_hour_key ON cloud.analytics_hour (tenant_id, hour, series_id)
  INCLUDE (identified, ambiguous, unknown, refused, dwell_ms);

-- The hours of a day (UTC), added up: what histograms over weeks are read from.
CREATE TABLE cloud.analytics_day (
  tenant_id text NOT NULL,
  day timestamptz NOT NULL,
  series_id integer NOT NULL,
  identified integer NOT NULL,
  ambiguous integer NOT NULL,
  unknown integer NOT NULL,
  refused integer NOT NULL,
  dwell_ms bigint NOT NULL,
  identified_scores integer[] NOT NULL,
  other_scores integer[] NOT NULL,
  qualities integer[] NOT NULL,
  dwells integer[] NOT NULL,
  PRIMARY KEY (tenant_id, day, series_id)
);

-- Who was seen at a site in which quarter hours of a day (UTC). It goes with the person, and expires as sightings do.
CREATE TABLE cloud.analytics_person_day (
  tenant_id text NOT NULL,
  day timestamptz NOT NULL,
  site_id text NOT NULL,
  person_id uuid NOT NULL,
  quarters bit(96) NOT NULL,
  PRIMARY KEY (tenant_id, day, site_id, person_id) INCLUDE (quarters),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX analytics_person_day_person ON cloud.analytics_person_day (tenant_id, person_id);

-- Whoever counts a tenant's hours, or is about to delete its sightings, holds the tenant's row.
CREATE TABLE cloud.analytics_state (
  tenant_id text PRIMARY KEY,
  -- Sightings from before may have been deleted: an hour that is not whole any more is never counted lower.
  closed_before timestamptz
);

-- Hours whose sightings have changed since they were counted. It is only added to, so that no writer waits for another;
-- a row becomes visible with the change it tells of.
CREATE TABLE cloud.analytics_dirty (
  tenant_id text NOT NULL,
  hour timestamptz NOT NULL,
  site_ids text[] NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION cloud.note_changed_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO cloud.analytics_dirty (tenant_id, hour, site_ids)
  SELECT tenant_id, date_bin('1 hour', first_seen_at, 'epoch'), array_agg(DISTINCT site_id)
  FROM changed GROUP BY 1, 2;
  RETURN NULL;
END
$$;
CREATE TRIGGER sighting_inserted_in_hour AFTER INSERT ON cloud.sighting
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION cloud.note_changed_hours();
CREATE TRIGGER sighting_updated_in_hour AFTER UPDATE ON cloud.sighting
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION cloud.note_changed_hours();

-- What is there already is counted by the first runs of the job.
INSERT INTO cloud.analytics_dirty (tenant_id, hour, site_ids)
SELECT tenant_id, date_bin('1 hour', first_seen_at, 'epoch'), array_agg(DISTINCT site_id)
FROM cloud.sighting GROUP BY 1, 2;
