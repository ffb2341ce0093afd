-- What an operator looks at: what happened, counted as it goes by; for how long is kept what nobody filed; and whose browser
-- may see it.

-- How often what happened: by the hour for a few days, by the day for a month, and ever. Reading it costs the same however
-- many jobs are kept.
CREATE TABLE job_counts (
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  span text NOT NULL CHECK (span IN ('hour', 'day', 'ever')),
  began timestamptz NOT NULL,              -- ever: -infinity
  kind text NOT NULL,
  what text NOT NULL,                      -- the type of the event; of failures for which workers died: poison
  bucket smallint NOT NULL,                -- how long it took, by the number of bounds that are not above it; -1: not measured, or of an hour
  jobs bigint NOT NULL,
  seconds float8 NOT NULL,                 -- of all of them together
  PRIMARY KEY (tenant_id, span, began, kind, what, bucket)
);
CREATE INDEX job_counts_old ON job_counts (span, began);
ALTER TABLE job_counts ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_counts FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_sees_all ON job_counts TO backburner_owner USING (true) WITH CHECK (true);
CREATE POLICY hands_see_all ON job_counts TO backburner_hands USING (true) WITH CHECK (true);
CREATE POLICY door_sees_its_tenant ON job_counts TO backburner_door USING (tenant_id = current_tenant());
GRANT SELECT ON job_counts TO backburner_door;
GRANT SELECT, INSERT, UPDATE, DELETE ON job_counts TO backburner_hands;

-- Up to where the log of events is counted.
ALTER TABLE installation ADD COLUMN counted_tx xid8 NOT NULL DEFAULT '0', ADD COLUMN counted_id bigint NOT NULL DEFAULT 0;
GRANT UPDATE (counted_tx, counted_id) ON installation TO backburner_hands;

-- The rule as workers know it, so that every door says the same of it. One row.
CREATE TABLE keeping (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  days int CHECK (days > 0),               -- null: for ever
  since timestamptz NOT NULL DEFAULT now() -- nothing goes by it without a week's notice
);
INSERT INTO keeping DEFAULT VALUES;
ALTER TABLE keeping ENABLE ROW LEVEL SECURITY;
ALTER TABLE keeping FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_sees_all ON keeping TO backburner_owner USING (true) WITH CHECK (true);
CREATE POLICY hands_see_all ON keeping TO backburner_hands USING (true);
CREATE POLICY door_sees_the_rule ON keeping FOR SELECT TO backburner_door USING (true);
GRANT SELECT ON keeping TO backburner_door;
GRANT SELECT, UPDATE ON keeping TO backburner_hands;

ALTER TABLE jobs ADD COLUMN unfiled_at timestamptz;  -- when it was last taken off its subject

ALTER TABLE workers ADD COLUMN version text;          -- of the program; null: from before it was said

-- A browser that was signed in to operate.
ALTER TABLE sign_in_links ADD COLUMN is_admin boolean NOT NULL DEFAULT false;
ALTER TABLE sessions ADD COLUMN is_admin boolean NOT NULL DEFAULT false;
