-- How live the person of a sighting looked, 0 to 1. Null where the camera did not look, or no shot could be scored.
ALTER TABLE cloud.sighting ADD COLUMN live_score double precision CHECK (live_score BETWEEN 0 AND 1);
