-- What a job waits for, since when, and when to look again; and questions that are asked anew when what they show has
-- changed.

ALTER TABLE jobs
  ADD COLUMN waiting_on text,              -- the name of the question, or of what is looked for outside; kept while it is looked for
  ADD COLUMN waiting_since timestamptz,    -- since when it waits for that, over all looks
  ADD COLUMN look_at timestamptz,          -- waiting: when it is to be looked at; NULL: not before something happens
  ADD COLUMN nudged_at timestamptz,        -- when somebody outside last said that it is time to look
  ADD CONSTRAINT only_the_waiting_are_looked_at CHECK (look_at IS NULL OR status = 'waiting');
CREATE INDEX jobs_look ON jobs (look_at) WHERE look_at IS NOT NULL;

-- Every end asks who comes after it, and in most books that is nobody: job ids are unique over all tenants, so the id will do.
DROP INDEX job_links_after;
CREATE INDEX job_links_after ON job_links (after_id);

-- An answer is bound to exactly what was shown: another question, other choices or other content under the same name is
-- another ask.
ALTER TABLE asks
  DROP CONSTRAINT asks_tenant_id_job_id_name_key,
  ALTER COLUMN shown_hash SET NOT NULL,
  ADD COLUMN for_person text,              -- whose answer is wanted; NULL: anybody's who may answer
  ADD COLUMN deadline_at timestamptz,      -- set only where the asker did
  ADD COLUMN withdrawn_at timestamptz,     -- its job ended or asks something else now, or its deadline passed
  ADD CONSTRAINT asks_shown_once UNIQUE (tenant_id, job_id, name, shown_hash),
  ADD CONSTRAINT answered_or_withdrawn CHECK (answered_at IS NULL OR withdrawn_at IS NULL),
  ADD CONSTRAINT answered_by_somebody CHECK ((answered_at IS NULL) = (answered_by IS NULL));
DROP INDEX asks_open;
CREATE INDEX asks_open ON asks (tenant_id, asked_at) WHERE answered_at IS NULL AND withdrawn_at IS NULL;

-- A secret of this installation, from which the addresses that others call back are made. One row.
CREATE TABLE installation (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  secret bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);
INSERT INTO installation DEFAULT VALUES;
ALTER TABLE installation ENABLE ROW LEVEL SECURITY;
ALTER TABLE installation FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_sees_all ON installation TO backburner_owner USING (true) WITH CHECK (true);
CREATE POLICY hands_see_all ON installation TO backburner_hands USING (true);
GRANT SELECT ON installation TO backburner_hands;

-- Doors answer and withdraw; what was asked and answered they neither write nor delete.
REVOKE INSERT, UPDATE, DELETE ON asks FROM backburner_door;
GRANT UPDATE (answer, answered_at, answered_by, withdrawn_at) ON asks TO backburner_door;
GRANT INSERT, UPDATE ON asks TO backburner_hands;
-- Nobody waits any longer for a job that completed and was deleted since.
GRANT DELETE ON job_links TO backburner_door, backburner_hands;
