-- Who somebody is now: whoever they were merged into, at the end of all merges.
CREATE FUNCTION cloud.present_person(of_tenant text, of_person uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
  WITH RECURSIVE same AS (
    SELECT id, merged_into FROM cloud.person WHERE tenant_id = of_tenant AND id = of_person
    UNION
    SELECT next.id, next.merged_into FROM cloud.person next JOIN same ON next.id = same.merged_into
    WHERE next.tenant_id = of_tenant
  )
  SELECT id FROM same WHERE merged_into IS NULL
$$;

-- Searches for a face in photos' place: who asked, what for, and what came of it in numbers. What was searched with is
-- not kept.
CREATE TABLE cloud.search (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id uuid NOT NULL,
  actor text NOT NULL,
  purpose text NOT NULL,
  -- What somebody wrote, who may have named somebody: sealed with a key of the tenant.
  sealed_reason bytea NOT NULL,
  searched_with text NOT NULL CHECK (searched_with IN ('photo', 'sighting', 'person')),
  state text NOT NULL CHECK (state IN ('running', 'done', 'failed')),
  -- Counts and rates; null unless done.
  facts jsonb,
  searched_at timestamptz NOT NULL,
  results_until timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX search_newest ON cloud.search (tenant_id, searched_at DESC, id DESC);
CREATE INDEX search_expiry ON cloud.search (expires_at);

-- The best sightings that a search found. They go with the probes by which they were found: so no erasure and no expiry
-- leaves one.
CREATE TABLE cloud.search_hit (
  tenant_id text NOT NULL,
  search_id uuid NOT NULL,
  place integer NOT NULL,
  sighting_id uuid NOT NULL,
  score double precision NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, search_id, place),
  FOREIGN KEY (tenant_id, search_id) REFERENCES cloud.search (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, sighting_id) REFERENCES cloud.kept_probe (tenant_id, sighting_id) ON DELETE CASCADE
);
CREATE INDEX search_hit_sighting ON cloud.search_hit (tenant_id, sighting_id);
CREATE INDEX search_hit_expiry ON cloud.search_hit (expires_at);

-- Where a tenant has unknown people told apart. A tenant without a row has nobody told apart anywhere.
CREATE TABLE cloud.stranger_clustering (
  tenant_id text PRIMARY KEY REFERENCES cloud.tenant (id),
  sites text[] NOT NULL,
  retention_days integer NOT NULL CHECK (retention_days BETWEEN 1 AND 30),
  minimum_quality double precision NOT NULL,
  false_positive_rate double precision NOT NULL,
  changed_at timestamptz NOT NULL
);
-- Somebody whom nobody knows. There is nothing of them but the probes that are kept of sightings anyway.
CREATE TABLE cloud.stranger (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  -- While they are being enrolled: as whom. Whoever is erased takes it along.
  person_id uuid,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX stranger_person ON cloud.stranger (tenant_id, person_id) WHERE person_id IS NOT NULL;
CREATE TABLE cloud.stranger_sighting (
  tenant_id text NOT NULL,
  sighting_id uuid NOT NULL,
  stranger_id uuid NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, sighting_id),
  FOREIGN KEY (tenant_id, stranger_id) REFERENCES cloud.stranger (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, sighting_id) REFERENCES cloud.kept_probe (tenant_id, sighting_id) ON DELETE CASCADE
);
CREATE INDEX stranger_sighting_stranger ON cloud.stranger_sighting (tenant_id, stranger_id);
CREATE INDEX stranger_sighting_expiry ON cloud.stranger_sighting (expires_at);
CREATE INDEX kept_probe_unknown ON cloud.kept_probe (tenant_id, sighting_id) WHERE person_id IS NULL;
