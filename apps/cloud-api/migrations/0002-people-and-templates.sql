CREATE TABLE cloud.person (
  id uuid NOT NULL,
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  name text NOT NULL,
  external_id text,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT person_external_id UNIQUE (tenant_id, external_id)
);

CREATE TABLE cloud.template (
  id uuid NOT NULL,
  tenant_id text NOT NULL,
  person_id uuid NOT NULL,
  model_space text NOT NULL,
  key_id text NOT NULL,
  variant_digest bytea NOT NULL,
  codec text NOT NULL CHECK (codec IN ('int8', 'float16')),
  scale double precision NOT NULL,
  dimension integer NOT NULL,
  data bytea NOT NULL,
  quality double precision NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX template_person ON cloud.template (tenant_id, person_id);

-- One row. Whoever changes the gallery updates it, and thereby waits for whoever changed it before to commit:
-- versions become visible in their order, so that a follower never skips one (a sequence would allow it).
CREATE TABLE cloud.gallery_version (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  version bigint NOT NULL
);
INSERT INTO cloud.gallery_version (version) VALUES (0);

CREATE TABLE cloud.gallery_change (
  version bigint PRIMARY KEY,
  tenant_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('upsert', 'remove')),
  template_id uuid NOT NULL,
  created_at timestamptz NOT NULL
);
