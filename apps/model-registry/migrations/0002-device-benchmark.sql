-- What boxes have measured of themselves. The newest measurement of a device with a release and an execution provider.
CREATE TABLE device_benchmark (
  tenant_id             text             NOT NULL,
  device_id             text             NOT NULL,
  release_digest        text             NOT NULL,
  provider              text             NOT NULL,
  device_class          text             NOT NULL,
  workers               integer          NOT NULL,
  beside_agent          boolean          NOT NULL,
  detect_ms             double precision NOT NULL,
  embed_ms              double precision NOT NULL,
  frames_per_second     double precision NOT NULL,
  embeddings_per_second double precision NOT NULL,
  measured_at           timestamptz      NOT NULL,
  PRIMARY KEY (tenant_id, device_id, release_digest, provider)
);
CREATE INDEX device_benchmark_class ON device_benchmark (device_class, release_digest, provider);
