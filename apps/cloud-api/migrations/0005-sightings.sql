CREATE TABLE cloud.sighting (
  tenant_id text NOT NULL,
  id uuid NOT NULL,
  device_id text NOT NULL,
  site_id text NOT NULL,
  camera_id text NOT NULL,
  phase text NOT NULL CHECK (phase IN ('open', 'update', 'close')),
  revision integer NOT NULL CHECK (revision > 0),
  -- Cloud time, by the measured offset of the box's clock; and below what the box's own clock said.
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  device_first_seen_ms bigint NOT NULL,
  device_last_seen_ms bigint NOT NULL,
  boot_id text NOT NULL,
  clock_synchronised boolean NOT NULL,
  -- How first_seen_at was found: monotonic, synchronised, offset or received.
  dating text NOT NULL,
  received_at timestamptz NOT NULL,
  latency_ms double precision NOT NULL,
  quality double precision NOT NULL,
  frames integer NOT NULL,
  replayed boolean NOT NULL,
  close_reason text,
  release_digest text NOT NULL,
  trial_arm text NOT NULL,
  stage_ms jsonb NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.device (tenant_id, id)
);
CREATE INDEX sighting_newest ON cloud.sighting (tenant_id, first_seen_at DESC, id DESC);
CREATE INDEX sighting_device_newest ON cloud.sighting (tenant_id, device_id, first_seen_at DESC, id DESC);

-- The decision about one revision. A duplicate is answered from here.
CREATE TABLE cloud.identification (
  tenant_id text NOT NULL,
  sighting_id uuid NOT NULL,
  revision integer NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('identified', 'unknown', 'refused')),
  -- Null unless identified, and null again once the person was erased.
  person_id uuid,
  score double precision,
  threshold double precision NOT NULL,
  false_match_rate double precision NOT NULL,
  refusal_code text,
  -- How long the gallery's search and the decision took, for the group of records that this one was in.
  identify_ms double precision NOT NULL,
  decided_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, sighting_id, revision),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE SET NULL (person_id)
);
CREATE INDEX identification_person ON cloud.identification (tenant_id, person_id) WHERE person_id IS NOT NULL;
