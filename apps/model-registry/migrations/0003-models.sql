-- Who changed what in the registry, one chain for each tenant; as cloud-api's audit, and verified by the same code
-- (docs/access.md). Ids and words alone.
CREATE TABLE audit_entry (
  tenant_id     text        NOT NULL,
  -- Without gaps, from 1.
  sequence      bigint      NOT NULL CHECK (sequence > 0),
  -- Milliseconds: what the hash covers.
  at            timestamptz NOT NULL,
  actor         text        NOT NULL,
  action        text        NOT NULL,
  subject_kind  text,
  subject_id    text,
  purpose       text,
  outcome       text        NOT NULL,
  previous_hash bytea       NOT NULL CHECK (length(previous_hash) = 32),
  hash          bytea       NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (tenant_id, sequence)
);
CREATE INDEX audit_entry_subject ON audit_entry (tenant_id, subject_id, sequence) WHERE subject_id IS NOT NULL;

-- Where the chain of a tenant ends. Whoever appends holds this row, so that a chain never forks.
CREATE TABLE audit_head (
  tenant_id text   PRIMARY KEY,
  sequence  bigint NOT NULL,
  hash      bytea  NOT NULL CHECK (length(hash) = 32)
);

-- No statement of the program changes or deletes an entry; neither may one that somebody types by mistake.
CREATE FUNCTION audit_entry_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an audit entry is final';
END
$$;
CREATE TRIGGER audit_entry_is_final BEFORE UPDATE OR DELETE ON audit_entry
  FOR EACH ROW EXECUTE FUNCTION audit_entry_is_final();
CREATE TRIGGER audit_entry_is_not_truncated BEFORE TRUNCATE ON audit_entry
  FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_is_final();

-- What a tenant uses the models for. A tenant without a row is commercial: the careful reading of a licence.
CREATE TABLE deploy_policy (
  tenant_id  text    PRIMARY KEY,
  commercial boolean NOT NULL
);

-- A file that a tenant has uploaded. Its bytes are kept once, whoever else has uploaded them too.
CREATE TABLE blob_upload (
  tenant_id   text        NOT NULL,
  digest      text        NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
  bytes       bigint      NOT NULL,
  uploaded_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, digest)
);

-- One model that somebody brought in: what it is for, how it is run, where it is from. Its bytes are variants.
CREATE TABLE model (
  id         uuid        PRIMARY KEY,
  tenant_id  text        NOT NULL,
  task       text        NOT NULL CHECK (task IN ('detector', 'landmarks', 'embedder', 'presentationAttack')),
  -- The manifest as it was given: name, specification, licence, origin, published figures.
  manifest   jsonb       NOT NULL,
  -- The file as it was uploaded, in the blobs.
  source     text        NOT NULL CHECK (source ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL
);
CREATE INDEX model_of_tenant ON model (tenant_id, created_at DESC, id DESC);

-- A file that a model can be run from: as imported, and what optimisation made of it.
CREATE TABLE model_variant (
  model_id   uuid        NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  digest     text        NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
  bytes      bigint      NOT NULL,
  kind       text        NOT NULL,
  -- The variant that it was made of; none: of the uploaded file.
  parent     text,
  -- How its file differs from the model's manifest when it is run; what was done, and what was measured of it.
  report     jsonb       NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (model_id, digest)
);
CREATE INDEX model_variant_digest ON model_variant (digest);

-- Work on a model that takes long. The queue only triggers it: how far it is stands here.
CREATE TABLE model_job (
  id           uuid        PRIMARY KEY,
  tenant_id    text        NOT NULL,
  model_id     uuid        NOT NULL REFERENCES model (id) ON DELETE CASCADE,
  kind         text        NOT NULL,
  options      jsonb       NOT NULL,
  state        text        NOT NULL CHECK (state IN ('waiting', 'running', 'succeeded', 'failed', 'cancelled')),
  progress     real        NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
  step         text        NOT NULL DEFAULT '',
  -- Somebody wants it to end.
  cancelling   boolean     NOT NULL DEFAULT false,
  -- Runs that were begun: a job that takes its process with it is given up.
  attempts     integer     NOT NULL DEFAULT 0,
  -- Said again while it runs; one that has been silent for long is begun anew.
  heard_at     timestamptz,
  report       jsonb,
  error_code   text,
  error_detail text,
  created_at   timestamptz NOT NULL,
  ended_at     timestamptz
);
CREATE INDEX model_job_of_tenant ON model_job (tenant_id, created_at DESC, id DESC);
CREATE INDEX model_job_open ON model_job (state) WHERE state IN ('waiting', 'running');

-- Releases that were assembled here, beside their signed bytes: whose they are, and of which licences.
CREATE TABLE assembled_release (
  version    text        PRIMARY KEY,
  tenant_id  text        NOT NULL,
  digest     text        NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
  licences   jsonb       NOT NULL,
  created_at timestamptz NOT NULL
);
