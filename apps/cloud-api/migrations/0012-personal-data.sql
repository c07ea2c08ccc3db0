-- Names, external ids and templates lie sealed (AES-256-GCM) with a key of each person, which is not in this database.
-- The columns that held them in the clear are emptied at the next start, and nothing is written to them any more.
ALTER TABLE cloud.person
  -- nonce (12) || ciphertext || tag (16)
  ADD COLUMN sealed_name bytea,
  ADD COLUMN sealed_external_id bytea,
  -- HMAC-SHA-256 under a key of the tenant: to look somebody up by, and to keep external ids unique.
  ADD COLUMN external_id_index bytea,
  -- Of each word of the name 16 bits of such an HMAC.
  ADD COLUMN name_words integer[] NOT NULL DEFAULT '{}',
  ALTER COLUMN name DROP NOT NULL,
  ADD CONSTRAINT person_sealed CHECK (sealed_name IS NOT NULL AND name IS NULL AND external_id IS NULL) NOT VALID,
  ADD CONSTRAINT person_external_id_index UNIQUE (tenant_id, external_id_index);
CREATE INDEX person_name_words ON cloud.person USING gin (name_words);

ALTER TABLE cloud.template
  ADD COLUMN sealed bytea,
  ALTER COLUMN data DROP NOT NULL,
  ADD CONSTRAINT template_sealed CHECK (sealed IS NOT NULL AND data IS NULL) NOT VALID;

-- Which key store the rows were sealed with, and whether any is left in the clear.
CREATE TABLE cloud.personal_data (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  key_store_id uuid,
  -- When the last row that had been stored in the clear was sealed and its old version removed from the files.
  sealed_at timestamptz
);
INSERT INTO cloud.personal_data DEFAULT VALUES;
