-- Whatever holds templates to be searched: each process with a flat gallery, and a gallery in Qdrant that processes
-- share. An erasure is complete when every one of them has followed it.
CREATE TABLE cloud.gallery_follower (
  -- Of a process: random, minted when it starts. Of a shared gallery: its address and the prefix of its collections.
  id text PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('flat', 'qdrant')),
  -- Every change up to here is in it. -1: it is not filled yet.
  version bigint NOT NULL DEFAULT -1,
  -- The process that changes a shared gallery; cleared only when nothing of it can be on its way any more.
  writer uuid,
  -- By the database's clock. A process that was not seen for a minute answers no search any more, and is dropped.
  seen_at timestamptz NOT NULL,
  rebuild_state text CHECK (rebuild_state IN ('requested', 'running', 'done', 'failed')),
  -- 0 to 1.
  rebuild_progress double precision NOT NULL DEFAULT 0,
  rebuild_requested_at timestamptz,
  rebuild_finished_at timestamptz
);
