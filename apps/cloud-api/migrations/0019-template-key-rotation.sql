-- A tenant's template keys follow one another. As long as an old one lives, what is under it is taken along to the
-- current one: the stored templates by and by, the probes of boxes that still have it as they come.
ALTER TABLE cloud.template_key
  ALTER COLUMN wrapped_secret DROP NOT NULL,
  -- When the next epoch took its place.
  ADD COLUMN superseded_at timestamptz,
  -- From when on its secret is destroyed, once no template is under it.
  ADD COLUMN retire_at timestamptz,
  -- When its secret was destroyed: what is under it can be compared with nothing any more.
  ADD COLUMN retired_at timestamptz,
  ADD CHECK ((superseded_at IS NULL) = (retire_at IS NULL)),
  ADD CHECK ((wrapped_secret IS NULL) = (retired_at IS NOT NULL)),
  ADD CHECK (retired_at IS NULL OR superseded_at IS NOT NULL);
CREATE UNIQUE INDEX template_key_current ON cloud.template_key (tenant_id) WHERE superseded_at IS NULL;
CREATE INDEX template_of_key ON cloud.template (tenant_id, key_id, id);

-- The key that a box protects with, as its last birth said.
ALTER TABLE cloud.device ADD COLUMN template_key_id text;
