-- What a client that was away has missed. A block-range index: receivedAt grows with the table, and an ordinary index
-- would be written to with every revision.
CREATE INDEX sighting_received ON cloud.sighting USING brin (received_at) WITH (autosummarize = on);
