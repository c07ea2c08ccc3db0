-- What somebody agreed to, or on what other basis they are recognised, for each purpose. Records are kept as they were
-- given; only their end is written later. They go with the person.
CREATE TABLE cloud.consent (
  tenant_id text NOT NULL,
  id uuid NOT NULL,
  person_id uuid NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('access', 'attendance', 'watch-list', 'photo-search')),
  legal_basis text NOT NULL CHECK (legal_basis IN
    ('consent', 'contract', 'legal-obligation', 'vital-interests', 'public-task', 'legitimate-interests')),
  given_at timestamptz NOT NULL,
  expires_at timestamptz CHECK (expires_at > given_at),
  withdrawn_at timestamptz,
  -- Where the evidence lies, sealed with the person's key.
  sealed_evidence bytea,
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX consent_person ON cloud.consent (tenant_id, person_id, purpose, given_at DESC);

-- For which purposes a tenant asks for a record of each person.
CREATE TABLE cloud.consent_policy (
  tenant_id text PRIMARY KEY REFERENCES cloud.tenant (id),
  required text[] NOT NULL,
  changed_at timestamptz NOT NULL
);

ALTER TABLE cloud.person
  -- What the person may be matched for now: what the records and the policy come to.
  ADD COLUMN purposes text[] NOT NULL DEFAULT '{access,attendance,photo-search,watch-list}',
  -- When that changes by itself: a record begins or ends.
  ADD COLUMN purposes_change_at timestamptz;
CREATE INDEX person_purposes_change ON cloud.person (purposes_change_at) WHERE purposes_change_at IS NOT NULL;

-- Whoever is new has no record yet, in whatever way they came.
CREATE FUNCTION cloud.person_begins_without_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.purposes := ARRAY(
    SELECT purpose FROM unnest('{access,attendance,photo-search,watch-list}'::text[]) AS purpose
    WHERE NOT EXISTS (
      SELECT FROM cloud.consent_policy policy
      WHERE policy.tenant_id = NEW.tenant_id AND purpose = ANY (policy.required))
    ORDER BY purpose);
  RETURN NEW;
END
$$;
CREATE TRIGGER person_begins_without_consent BEFORE INSERT ON cloud.person
  FOR EACH ROW EXECUTE FUNCTION cloud.person_begins_without_consent();

-- How long a tenant keeps what. A kind without a row is kept as long as the defaults say; null days: for ever.
CREATE TABLE cloud.retention (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  kind text NOT NULL,
  days integer CHECK (days BETWEEN 1 AND 36500),
  changed_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, kind)
);
-- Nothing of a tenant that is there already is deleted before it has said so.
INSERT INTO cloud.retention (tenant_id, kind, days, changed_at)
SELECT id, kind, NULL, now() FROM cloud.tenant, unnest('{sightings,identifications,quarantine,device-health}'::text[]) AS kind;
-- Block ranges: it grows with its table, whose writers are in a hurry.
CREATE INDEX identification_decided ON cloud.identification USING brin (decided_at) WITH (autosummarize = on);

-- An erasure as it goes on: rows first, then the key, then whoever keeps copies. Who it was is forgotten at its end.
ALTER TABLE cloud.erasure
  ALTER COLUMN person_id DROP NOT NULL,
  -- Of somebody who had been merged into the person of another erasure.
  ADD COLUMN part_of uuid,
  -- Its removals in the feed of gallery changes; both null when there was no template, and at its end.
  ADD COLUMN feed_first bigint,
  ADD COLUMN feed_last bigint,
  ADD COLUMN key_destroyed_at timestamptz,
  ADD COLUMN completed_at timestamptz,
  -- The signed document, as it was when the erasure was complete.
  ADD COLUMN proof text,
  ADD CONSTRAINT erasure_forgets CHECK ((person_id IS NULL) = (completed_at IS NOT NULL)),
  ADD CONSTRAINT erasure_proves CHECK ((proof IS NULL) = (completed_at IS NULL)),
  ADD FOREIGN KEY (tenant_id, part_of) REFERENCES cloud.erasure (tenant_id, id);
CREATE INDEX erasure_open ON cloud.erasure (erased_at) WHERE completed_at IS NULL;
CREATE INDEX erasure_newest ON cloud.erasure (tenant_id, erased_at DESC, id DESC);
CREATE INDEX erasure_parts ON cloud.erasure (tenant_id, part_of) WHERE part_of IS NOT NULL;

-- A gallery that held the person's templates, until it has followed their removal, or is gone itself.
CREATE TABLE cloud.erasure_gallery (
  tenant_id text NOT NULL,
  erasure_id uuid NOT NULL,
  gallery_id text NOT NULL,
  kind text NOT NULL,
  outcome text CHECK (outcome IN ('passed', 'gone')),
  confirmed_at timestamptz,
  PRIMARY KEY (tenant_id, erasure_id, gallery_id),
  FOREIGN KEY (tenant_id, erasure_id) REFERENCES cloud.erasure (tenant_id, id) ON DELETE CASCADE,
  CHECK ((outcome IS NULL) = (confirmed_at IS NULL))
);
