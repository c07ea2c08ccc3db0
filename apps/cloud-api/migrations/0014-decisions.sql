-- An identification may also be ambiguous, and says what it rests on.
ALTER TABLE cloud.identification
  DROP CONSTRAINT identification_outcome_check,
  -- Not checked again for what is there: it allows all that the former one did.
  ADD CONSTRAINT identification_outcome_check
    CHECK (outcome IN ('identified', 'ambiguous', 'unknown', 'refused')) NOT VALID,
  -- Target, calibration, policy and the rules that were asked; nobody is named in it. Null: decided before there was any.
  ADD COLUMN facts jsonb,
  -- The people near the bar, best first, and beside them their ids alone: an erasure finds and removes them by those.
  ADD COLUMN candidates jsonb,
  ADD COLUMN candidate_ids uuid[];
CREATE INDEX identification_candidates ON cloud.identification USING gin (candidate_ids)
  WHERE candidate_ids IS NOT NULL;

-- How a tenant wants its decisions to be made.
CREATE TABLE cloud.decision_policy (
  tenant_id text PRIMARY KEY REFERENCES cloud.tenant (id),
  version integer NOT NULL CHECK (version > 0),
  policy jsonb NOT NULL,
  changed_at timestamptz NOT NULL
);

-- The probe of a sighting's current revision, for as long as somebody may review the decision. Sealed: with the key of
-- the person who was named, or where nobody was with a key of the tenant. Deleted with either person.
CREATE TABLE cloud.kept_probe (
  tenant_id text NOT NULL,
  sighting_id uuid NOT NULL,
  revision integer NOT NULL,
  person_id uuid,
  -- The other one of an ambiguous decision.
  second_person_id uuid,
  template_id uuid NOT NULL,
  model_space text NOT NULL,
  key_id text NOT NULL,
  variant_digest bytea NOT NULL,
  codec text NOT NULL CHECK (codec IN ('int8', 'float16')),
  scale double precision NOT NULL,
  dimension integer NOT NULL,
  quality double precision NOT NULL,
  sealed bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, sighting_id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, second_person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX kept_probe_person ON cloud.kept_probe (tenant_id, person_id) WHERE person_id IS NOT NULL;
CREATE INDEX kept_probe_second_person ON cloud.kept_probe (tenant_id, second_person_id)
  WHERE second_person_id IS NOT NULL;
CREATE INDEX kept_probe_expiry ON cloud.kept_probe (expires_at);

-- What somebody said about a decision. The decision itself stays as it was made.
CREATE TABLE cloud.identification_review (
  tenant_id text NOT NULL,
  sighting_id uuid NOT NULL,
  revision integer NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('confirmed', 'not-this-person', 'is-person')),
  -- About whom it was said: who is confirmed, who it is not, who it is. Null once they were erased.
  person_id uuid,
  actor text NOT NULL,
  reviewed_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, sighting_id, revision),
  FOREIGN KEY (tenant_id, sighting_id, revision)
    REFERENCES cloud.identification (tenant_id, sighting_id, revision) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE SET NULL (person_id)
);
CREATE INDEX identification_review_person ON cloud.identification_review (tenant_id, person_id)
  WHERE person_id IS NOT NULL;

-- Hard negatives: probes that are not a person, sealed with that person's key. Each is somebody's template, too: of
-- `actual_person_id` where that is known, of a stranger otherwise. So it goes with either person, and it expires.
CREATE TABLE cloud.hard_negative (
  tenant_id text NOT NULL,
  id uuid NOT NULL,
  person_id uuid NOT NULL,
  actual_person_id uuid,
  sighting_id uuid NOT NULL,
  revision integer NOT NULL,
  model_space text NOT NULL,
  key_id text NOT NULL,
  variant_digest bytea NOT NULL,
  codec text NOT NULL CHECK (codec IN ('int8', 'float16')),
  scale double precision NOT NULL,
  dimension integer NOT NULL,
  quality double precision NOT NULL,
  sealed bytea NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT hard_negative_once UNIQUE (tenant_id, person_id, sighting_id, revision),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, actual_person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX hard_negative_actual_person ON cloud.hard_negative (tenant_id, actual_person_id)
  WHERE actual_person_id IS NOT NULL;
CREATE INDEX hard_negative_expiry ON cloud.hard_negative (expires_at);
