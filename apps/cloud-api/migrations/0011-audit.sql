-- Who did what with biometric data, one chain for each tenant. An entry's hash covers the entry and the hash before it,
-- so that none can be changed, taken out or put between without every later hash being wrong (docs/access.md).
-- Ids alone: never a name, never a template.
CREATE TABLE cloud.audit_entry (
  tenant_id text NOT NULL REFERENCES cloud.tenant (id),
  -- Without gaps, from 1.
  sequence bigint NOT NULL CHECK (sequence > 0),
  -- Milliseconds: what the hash covers.
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  subject_kind text,
  subject_id text,
  purpose text,
  outcome text NOT NULL,
  previous_hash bytea NOT NULL CHECK (length(previous_hash) = 32),
  hash bytea NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (tenant_id, sequence)
);
CREATE INDEX audit_entry_subject ON cloud.audit_entry (tenant_id, subject_id, sequence) WHERE subject_id IS NOT NULL;

-- Where the chain of a tenant ends. Whoever appends holds this row, so that a chain never forks.
CREATE TABLE cloud.audit_head (
  tenant_id text PRIMARY KEY REFERENCES cloud.tenant (id),
  sequence bigint NOT NULL,
  hash bytea NOT NULL CHECK (length(hash) = 32)
);

-- No statement of the program changes or deletes an entry; neither may one that somebody types by mistake.
CREATE FUNCTION cloud.audit_entry_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'an audit entry is final';
END
$$;
CREATE TRIGGER audit_entry_is_final BEFORE UPDATE OR DELETE ON cloud.audit_entry
  FOR EACH ROW EXECUTE FUNCTION cloud.audit_entry_is_final();
CREATE TRIGGER audit_entry_is_not_truncated BEFORE TRUNCATE ON cloud.audit_entry
  FOR EACH STATEMENT EXECUTE FUNCTION cloud.audit_entry_is_final();
