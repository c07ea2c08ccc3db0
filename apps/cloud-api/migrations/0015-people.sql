-- Groups and watch-lists. A person's groups are slugs of these; a slug that is new there makes its group.
CREATE TABLE cloud.person_group (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  slug text NOT NULL,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('group', 'watch-list')),
  description text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, slug)
);
INSERT INTO cloud.person_group (tenant_id, slug, name, kind, created_at)
SELECT DISTINCT tenant_id, slug, slug, CASE slug WHEN 'watch-list' THEN 'watch-list' ELSE 'group' END, now()
FROM cloud.person CROSS JOIN LATERAL unnest(groups) AS slug;
CREATE INDEX person_groups ON cloud.person USING gin (groups);
CREATE INDEX person_sites ON cloud.person USING gin (sites);

-- Somebody who turned out to be another person: kept, without templates, so that it can be undone.
ALTER TABLE cloud.person
  ADD COLUMN merged_into uuid,
  ADD FOREIGN KEY (tenant_id, merged_into) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE,
  ADD CONSTRAINT person_not_merged_into_itself CHECK (merged_into <> id);
CREATE INDEX person_merged_into ON cloud.person (tenant_id, merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE cloud.person_merge (
  tenant_id text NOT NULL,
  id uuid NOT NULL,
  into_person_id uuid NOT NULL,
  from_person_id uuid NOT NULL,
  -- What the merge gave to the person who stays, and an undo takes away again.
  added_sites text[] NOT NULL,
  added_groups text[] NOT NULL,
  -- The sites of the person who stays as they were, where the merge had to widen them to every site.
  narrowed_sites text[],
  templates integer NOT NULL,
  sightings integer NOT NULL,
  merged_at timestamptz NOT NULL,
  undone_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, into_person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, from_person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX person_merge_into ON cloud.person_merge (tenant_id, into_person_id);
CREATE INDEX person_merge_from ON cloud.person_merge (tenant_id, from_person_id);

-- What a merge moved from one person to the other.
CREATE TABLE cloud.person_merge_template (
  tenant_id text NOT NULL,
  merge_id uuid NOT NULL,
  template_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, merge_id, template_id),
  FOREIGN KEY (tenant_id, merge_id) REFERENCES cloud.person_merge (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, template_id) REFERENCES cloud.template (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX person_merge_template_template ON cloud.person_merge_template (tenant_id, template_id);
CREATE TABLE cloud.person_merge_identification (
  tenant_id text NOT NULL,
  merge_id uuid NOT NULL,
  sighting_id uuid NOT NULL,
  revision integer NOT NULL,
  -- The decision's person, or only whom the box had named.
  decided boolean NOT NULL,
  local boolean NOT NULL,
  PRIMARY KEY (tenant_id, merge_id, sighting_id, revision),
  FOREIGN KEY (tenant_id, merge_id) REFERENCES cloud.person_merge (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, sighting_id, revision)
    REFERENCES cloud.identification (tenant_id, sighting_id, revision) ON DELETE CASCADE
);
CREATE INDEX person_merge_identification_row
  ON cloud.person_merge_identification (tenant_id, sighting_id, revision);
-- Where the person who stays had been seen last, before the merge; null: not there.
CREATE TABLE cloud.person_merge_visit (
  tenant_id text NOT NULL,
  merge_id uuid NOT NULL,
  site_id text NOT NULL,
  into_last_seen_at timestamptz,
  from_last_seen_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, merge_id, site_id),
  FOREIGN KEY (tenant_id, merge_id) REFERENCES cloud.person_merge (tenant_id, id) ON DELETE CASCADE
);

-- Two people whose templates are as near as one person's. The smaller id first.
CREATE TABLE cloud.duplicate_pair (
  tenant_id text NOT NULL,
  id uuid NOT NULL,
  person_id uuid NOT NULL,
  other_person_id uuid NOT NULL,
  score double precision NOT NULL,
  threshold double precision NOT NULL,
  -- Of one comparison, at that threshold.
  false_match_rate double precision NOT NULL,
  found_at timestamptz NOT NULL,
  -- When the last search came upon it.
  seen_at timestamptz NOT NULL,
  dismissed_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT duplicate_pair_people UNIQUE (tenant_id, person_id, other_person_id),
  CHECK (person_id < other_person_id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, other_person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX duplicate_pair_other ON cloud.duplicate_pair (tenant_id, other_person_id);
CREATE INDEX duplicate_pair_open ON cloud.duplicate_pair (tenant_id, found_at DESC, id DESC) WHERE dismissed_at IS NULL;

-- The search for duplicates: how far it has come through a tenant's templates.
CREATE TABLE cloud.duplicate_search (
  tenant_id text PRIMARY KEY REFERENCES cloud.tenant (id),
  state text NOT NULL CHECK (state IN ('running', 'done')),
  after_template_id uuid,
  templates integer NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz
);

-- Enrolment in bulk. Its files lie outside of the database, sealed with a key that goes when it ends.
CREATE TABLE cloud.enrolment (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'cancelled', 'failed')),
  -- What becomes of a row whose external id somebody has already.
  existing text NOT NULL CHECK (existing IN ('refuse', 'add')),
  rows integer NOT NULL,
  wrapped_key bytea,
  failure_code text,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  PRIMARY KEY (tenant_id, id),
  CHECK ((wrapped_key IS NULL) = (state IN ('done', 'cancelled', 'failed')))
);
CREATE INDEX enrolment_unfinished ON cloud.enrolment (created_at) WHERE finished_at IS NULL;
-- A row that is done, written in the transaction that enrols it.
CREATE TABLE cloud.enrolment_row (
  tenant_id text NOT NULL,
  enrolment_id uuid NOT NULL,
  row integer NOT NULL,
  code text,
  person_id uuid,
  template_id uuid,
  -- HMAC-SHA-256 of the photo under the enrolment's key: tells that a photo came twice, and nothing once the key is gone.
  photo_mac bytea,
  PRIMARY KEY (tenant_id, enrolment_id, row),
  FOREIGN KEY (tenant_id, enrolment_id) REFERENCES cloud.enrolment (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE SET NULL (person_id),
  FOREIGN KEY (tenant_id, template_id) REFERENCES cloud.template (tenant_id, id) ON DELETE SET NULL (template_id)
);
CREATE UNIQUE INDEX enrolment_row_photo ON cloud.enrolment_row (tenant_id, enrolment_id, photo_mac)
  WHERE photo_mac IS NOT NULL;
CREATE INDEX enrolment_row_person ON cloud.enrolment_row (tenant_id, person_id) WHERE person_id IS NOT NULL;
CREATE INDEX enrolment_row_template ON cloud.enrolment_row (tenant_id, template_id) WHERE template_id IS NOT NULL;

-- Who came with an import: the person's id in the file, which is another installation's or an older one of this.
CREATE TABLE cloud.person_origin (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  origin_id uuid NOT NULL,
  person_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, origin_id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX person_origin_person ON cloud.person_origin (tenant_id, person_id);
