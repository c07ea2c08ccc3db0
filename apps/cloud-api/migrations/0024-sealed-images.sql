-- To which keys a tenant's boxes seal images. The newest is the one in use; an older one opens what is left under it.
CREATE TABLE cloud.image_key (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  -- The first 16 hexadecimal digits of the public key's SHA-256: what a sealed image names.
  key_id text NOT NULL,
  -- X25519, 32 bytes.
  public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
  -- PKCS #8, wrapped under the key-encryption key. Null: the tenant keeps it elsewhere, or it is retired.
  wrapped_private_key bytea,
  -- Whether the tenant keeps the private key elsewhere.
  is_external boolean NOT NULL,
  created_at timestamptz NOT NULL,
  superseded_at timestamptz,
  -- The private key is destroyed, and nothing under it is taken any more.
  retired_at timestamptz,
  PRIMARY KEY (tenant_id, key_id)
);
CREATE UNIQUE INDEX image_key_current ON cloud.image_key (tenant_id) WHERE superseded_at IS NULL;

-- Sites of which images are kept. No row: none are.
CREATE TABLE cloud.image_site (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  site_id text NOT NULL,
  enabled boolean NOT NULL,
  outcomes text[] NOT NULL,
  -- What a person who is named must permit. Null: nothing beyond being named.
  purpose text,
  minimum_quality double precision NOT NULL CHECK (minimum_quality BETWEEN 0 AND 1),
  sample_rate double precision NOT NULL CHECK (sample_rate > 0 AND sample_rate <= 1),
  maximum_bytes_per_day integer NOT NULL CHECK (maximum_bytes_per_day > 0),
  changed_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, site_id)
);

-- Images that sightings refer to. The bytes lie in the image directory, all but their last 32, without which nobody can
-- open them: those lie here, sealed with the keys of the people who were named, or where nobody was with a key of the
-- tenant. What is deleted here is deleted there.
CREATE TABLE cloud.sealed_image (
  tenant_id text NOT NULL,
  -- SHA-256 of the whole sealed image.
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  device_id text NOT NULL,
  site_id text NOT NULL,
  sighting_id uuid NOT NULL,
  outcome text NOT NULL,
  person_id uuid,
  -- The other one of an ambiguous decision.
  second_person_id uuid,
  seen_at timestamptz NOT NULL,
  noted_at timestamptz NOT NULL,
  -- When its upload began, and how long it is, bytes.
  accepted_at timestamptz,
  length integer,
  -- The rest comes with the last byte.
  stored_at timestamptz,
  key_id text,
  sealed_tail bytea,
  PRIMARY KEY (tenant_id, digest),
  CHECK ((stored_at IS NULL) = (sealed_tail IS NULL)),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, second_person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sealed_image_sighting ON cloud.sealed_image (tenant_id, sighting_id);
CREATE INDEX sealed_image_noted ON cloud.sealed_image (tenant_id, noted_at, digest);
CREATE INDEX sealed_image_quota ON cloud.sealed_image (tenant_id, device_id, accepted_at) WHERE accepted_at IS NOT NULL;
CREATE INDEX sealed_image_person ON cloud.sealed_image (tenant_id, person_id) WHERE person_id IS NOT NULL;
CREATE INDEX sealed_image_second_person ON cloud.sealed_image (tenant_id, second_person_id)
  WHERE second_person_id IS NOT NULL;
CREATE INDEX sealed_image_key ON cloud.sealed_image (tenant_id, key_id) WHERE key_id IS NOT NULL;

-- Images whose row is gone: their file goes too, and for a time nothing with this digest is taken. Nobody is named.
CREATE TABLE cloud.removed_image (
  tenant_id text NOT NULL,
  digest bytea NOT NULL,
  requested_at timestamptz NOT NULL,
  -- When there was no file any more.
  removed_at timestamptz,
  PRIMARY KEY (tenant_id, digest)
);
CREATE INDEX removed_image_open ON cloud.removed_image (requested_at) WHERE removed_at IS NULL;

CREATE FUNCTION cloud.note_removed_image() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO cloud.removed_image (tenant_id, digest, requested_at) VALUES (OLD.tenant_id, OLD.digest, now())
  ON CONFLICT (tenant_id, digest) DO UPDATE SET requested_at = excluded.requested_at, removed_at = NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER sealed_image_removed AFTER DELETE ON cloud.sealed_image
  FOR EACH ROW EXECUTE FUNCTION cloud.note_removed_image();
