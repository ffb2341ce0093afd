-- Notices: where a person is told that something needs them, is done or has failed; how that goes, and of which questions
-- they were told.

-- It was never set. An address has a row of its own now, with how it fares.
ALTER TABLE principals DROP COLUMN notice_address;

CREATE TABLE notice_addresses (
  tenant_id bigint NOT NULL,
  person_id bigint NOT NULL,
  address text NOT NULL CHECK (address <> ''),   -- as apprise writes it: often a secret
  wants text[] NOT NULL CHECK (wants <@ ARRAY['needs_me', 'done', 'failed']),
  next_at timestamptz NOT NULL DEFAULT now(),    -- not before; while one is on its way, when its sender is taken for dead
  take int NOT NULL DEFAULT 0,                   -- counted up by every sending and its record: what is said of an earlier one is void
  told_until timestamptz NOT NULL DEFAULT now(), -- ends up to here were told, or are no news
  told_at timestamptz,                           -- when the last notice was taken
  tested_at timestamptz,
  tries int NOT NULL DEFAULT 0,                  -- since the last one that was taken
  refused text,                                  -- why the last one was not
  stopped_at timestamptz,                        -- nothing is sent any more, until the person does something about it
  PRIMARY KEY (tenant_id, person_id),
  FOREIGN KEY (tenant_id, person_id) REFERENCES principals (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX notice_addresses_next ON notice_addresses (next_at) WHERE stopped_at IS NULL;

-- A question of which a person was told, how often and when last: what still waits is told again after a while.
CREATE TABLE told_asks (
  tenant_id bigint NOT NULL,
  ask_id bigint NOT NULL,
  person_id bigint NOT NULL,
  times int NOT NULL,
  told_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, ask_id, person_id),
  FOREIGN KEY (tenant_id, ask_id) REFERENCES asks (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, person_id) REFERENCES notice_addresses (tenant_id, person_id) ON DELETE CASCADE
);
CREATE INDEX told_asks_of_person ON told_asks (tenant_id, person_id);

DO $$
DECLARE
  walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['notice_addresses', 'told_asks'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY owner_sees_all ON %I TO backburner_owner USING (true) WITH CHECK (true)', walled);
    EXECUTE format('CREATE POLICY hands_see_all ON %I TO backburner_hands USING (true) WITH CHECK (true)', walled);
    EXECUTE format('CREATE POLICY door_sees_its_tenant ON %I TO backburner_door'
                   ' USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON notice_addresses TO backburner_door;
GRANT SELECT, UPDATE ON notice_addresses TO backburner_hands;
GRANT SELECT, INSERT, UPDATE ON told_asks TO backburner_hands;
