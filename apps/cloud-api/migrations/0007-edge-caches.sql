-- Who is needed where. A person without sites belongs to every site.
ALTER TABLE cloud.person
  ADD COLUMN sites text[] NOT NULL DEFAULT '{}',
  ADD COLUMN groups text[] NOT NULL DEFAULT '{}';

-- A change of the person alone, for those who follow more than templates. Goes with the person.
ALTER TABLE cloud.gallery_change
  ADD COLUMN person_id uuid,
  ALTER COLUMN template_id DROP NOT NULL,
  DROP CONSTRAINT gallery_change_kind_check,
  ADD CONSTRAINT gallery_change_kind_check CHECK (
    (kind IN ('upsert', 'remove') AND template_id IS NOT NULL) OR (kind = 'person' AND person_id IS NOT NULL)
  ),
  ADD FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE;
CREATE INDEX gallery_change_person ON cloud.gallery_change (tenant_id, person_id) WHERE person_id IS NOT NULL;

-- When somebody was last identified at a site. Written at most once an hour for each of them.
CREATE TABLE cloud.person_at_site (
  tenant_id text NOT NULL,
  site_id text NOT NULL,
  person_id uuid NOT NULL,
  last_seen_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, site_id, person_id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX person_at_site_person ON cloud.person_at_site (tenant_id, person_id);

-- Keys that deltas are signed with. One at a time is in use.
CREATE TABLE cloud.gallery_signing_key (
  key_id text PRIMARY KEY,
  -- SubjectPublicKeyInfo, DER.
  public_key bytea NOT NULL,
  -- PKCS #8, DER, under AES-256-GCM with the key-encryption key: nonce (12) || ciphertext || tag (16).
  wrapped_private_key bytea NOT NULL,
  created_at timestamptz NOT NULL,
  retired_at timestamptz
);
CREATE UNIQUE INDEX gallery_signing_key_in_use ON cloud.gallery_signing_key ((true)) WHERE retired_at IS NULL;

-- How far the feed of gallery changes is planned into the caches.
CREATE TABLE cloud.edge_cache_feed (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  version bigint NOT NULL
);
INSERT INTO cloud.edge_cache_feed (version) SELECT version FROM cloud.gallery_version;

-- The local cache of one device. Its row is locked while the cache is planned, sent and confirmed.
CREATE TABLE cloud.edge_cache (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  cache_id uuid NOT NULL,
  model_space text NOT NULL,
  key_id text NOT NULL,
  -- What the box says that it can take; 0: it keeps no cache any more.
  maximum_templates integer NOT NULL CHECK (maximum_templates >= 0),
  -- What it turned out to take, where that is less.
  full_at_templates integer,
  -- Templates of the people who are wanted here: exact after a whole plan, and too many rather than too few since.
  planned_templates integer NOT NULL DEFAULT 0,
  -- The last whole plan; null when one is due.
  planned_at timestamptz,
  -- Every version up to sent_version was published at some time; up to confirmed_version the box holds them.
  sent_version bigint NOT NULL DEFAULT 0,
  confirmed_version bigint NOT NULL DEFAULT 0 CHECK (confirmed_version <= sent_version),
  sent_at timestamptz,
  -- What is not confirmed by then is sent again; null when nothing is under way. A cache that begins anew waits for it.
  resend_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  -- Of what was sent last from confirmed_version on: a refusal of anything older is old news.
  correlation_id text NOT NULL DEFAULT '',
  lease_issued_at timestamptz,
  lease_expires_at timestamptz,
  -- The lease is renewed with the next delta, an empty one if need be.
  lease_due boolean NOT NULL DEFAULT true,
  last_receipt_at timestamptz,
  last_error text,
  last_error_at timestamptz,
  PRIMARY KEY (tenant_id, device_id),
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.device (tenant_id, id)
);

-- Who should be, or may be, in a device's cache. Not bound to the person: it must say until the box has confirmed it
-- that the box may hold somebody.
CREATE TABLE cloud.edge_cache_person (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  person_id uuid NOT NULL,
  wanted boolean NOT NULL,
  -- The version of the cache in which this state was sent; null: it is still to be sent.
  version bigint,
  -- Whether the box may hold something of the person, of this cache or a former one.
  held boolean NOT NULL,
  templates integer NOT NULL,
  PRIMARY KEY (tenant_id, device_id, person_id),
  FOREIGN KEY (tenant_id, device_id) REFERENCES cloud.edge_cache (tenant_id, device_id) ON DELETE CASCADE
);
CREATE INDEX edge_cache_person_devices ON cloud.edge_cache_person (tenant_id, person_id);
CREATE INDEX edge_cache_person_unsent ON cloud.edge_cache_person (tenant_id, device_id, person_id) WHERE version IS NULL;
CREATE INDEX edge_cache_person_version ON cloud.edge_cache_person (tenant_id, device_id, version) WHERE version IS NOT NULL;

-- A person who was erased.
CREATE TABLE cloud.erasure (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id uuid NOT NULL,
  person_id uuid NOT NULL,
  erased_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT erasure_person UNIQUE (tenant_id, person_id)
);

-- A device that may hold somebody who was erased, until its receipt. Outlives the device's cache and the device.
CREATE TABLE cloud.edge_cache_erasure (
  tenant_id text NOT NULL,
  device_id text NOT NULL,
  erasure_id uuid NOT NULL,
  -- The version of the cache in which the tombstone was sent; null: it is still to be sent.
  version bigint,
  sent_at timestamptz,
  confirmed_at timestamptz,
  PRIMARY KEY (tenant_id, device_id, erasure_id),
  FOREIGN KEY (tenant_id, erasure_id) REFERENCES cloud.erasure (tenant_id, id)
);
CREATE INDEX edge_cache_erasure_outstanding ON cloud.edge_cache_erasure (tenant_id, device_id, version)
  WHERE confirmed_at IS NULL;

-- What the box itself decided about a revision, by its cache. Only the decision beside it counts.
ALTER TABLE cloud.identification
  ADD COLUMN local_outcome text CHECK (local_outcome IN ('identified', 'unknown')),
  -- Null unless identified, and null again once the person was erased.
  ADD COLUMN local_person_id uuid,
  ADD COLUMN local_score double precision,
  ADD COLUMN local_differed boolean NOT NULL DEFAULT false,
  ADD FOREIGN KEY (tenant_id, local_person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE SET NULL (local_person_id);
CREATE INDEX identification_local_person ON cloud.identification (tenant_id, local_person_id)
  WHERE local_person_id IS NOT NULL;
CREATE INDEX identification_local_differed ON cloud.identification (tenant_id, decided_at) WHERE local_differed;
