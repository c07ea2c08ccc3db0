-- Sets of people as bits, so that different people over months are counted from a few rows: see docs/analytics.md and
-- ADR 23.

-- Numbers of the people who were seen. None is given out twice. It goes with the person.
CREATE TABLE cloud.analytics_person (
  tenant_id text NOT NULL,
  person_id uuid NOT NULL,
  number integer NOT NULL,
  PRIMARY KEY (tenant_id, person_id) INCLUDE (number),
  UNIQUE (tenant_id, number),
  FOREIGN KEY (tenant_id, person_id) REFERENCES cloud.person (tenant_id, id) ON DELETE CASCADE
);
-- How many numbers were given out.
ALTER TABLE cloud.analytics_state ADD COLUMN people_numbered integer NOT NULL DEFAULT 0;

-- Who was seen at a site on a day (UTC): bit n of block b is the person of number 4096 b + n. It says what
-- analytics_person_day says, without the quarters of hours.
CREATE TABLE cloud.analytics_people_day (
  tenant_id text NOT NULL,
  day timestamptz NOT NULL,
  site_id text NOT NULL,
  block integer NOT NULL,
  people bit(4096) NOT NULL,
  PRIMARY KEY (tenant_id, day, site_id, block)
);

-- Whoever is erased is taken out of every set. Locked in one order, so that two erasures never wait for each other.
CREATE FUNCTION cloud.forget_person_bit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  bit_of_person integer := OLD.number % 4096;
BEGIN
  PERFORM FROM cloud.analytics_people_day
  WHERE tenant_id = OLD.tenant_id AND block = OLD.number / 4096
  ORDER BY day, site_id FOR UPDATE;
  UPDATE cloud.analytics_people_day SET people = set_bit(people, bit_of_person, 0)
  WHERE tenant_id = OLD.tenant_id AND block = OLD.number / 4096 AND get_bit(people, bit_of_person) = 1;
  RETURN NULL;
END
$$;
CREATE TRIGGER person_number_deleted AFTER DELETE ON cloud.analytics_person
  FOR EACH ROW EXECUTE FUNCTION cloud.forget_person_bit();

-- Who was counted already.
INSERT INTO cloud.analytics_person (tenant_id, person_id, number)
SELECT tenant_id, person_id, row_number() OVER (PARTITION BY tenant_id ORDER BY person_id) - 1
FROM (SELECT DISTINCT tenant_id, person_id FROM cloud.analytics_person_day) AS seen;
INSERT INTO cloud.analytics_state (tenant_id, people_numbered)
SELECT tenant_id, count(*) FROM cloud.analytics_person GROUP BY tenant_id
ON CONFLICT (tenant_id) DO UPDATE SET people_numbered = excluded.people_numbered;
INSERT INTO cloud.analytics_people_day (tenant_id, day, site_id, block, people)
SELECT tenant_id, day, site_id, number / 4096, bit_or(set_bit(B'0'::bit(4096), number % 4096, 1))
FROM cloud.analytics_person_day JOIN cloud.analytics_person USING (tenant_id, person_id)
GROUP BY tenant_id, day, site_id, number / 4096;
