-- The processes that share the fleet's sightings out, by their instance. Each holds an advisory lock while it lives; the
-- broker's session of one that does not is ended by the others, so that its share comes to them.
CREATE TABLE cloud.ingest_member (
  instance text PRIMARY KEY,
  -- Of its session at the broker.
  client_id text NOT NULL,
  joined_at timestamptz NOT NULL
);
