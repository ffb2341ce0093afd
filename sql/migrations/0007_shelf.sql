-- What the shelf needs: search, moves that can be undone, and the one-time links by which people sign in.

ALTER TABLE jobs ADD COLUMN document tsvector GENERATED ALWAYS AS (
  to_tsvector('simple', left(title || ' ' || kind || ' ' || coalesce(result_line, '') || ' ' || coalesce(error ->> 'message', ''), 10000))) STORED;
CREATE INDEX jobs_search ON jobs USING gin (document);
CREATE INDEX jobs_unseen ON jobs (tenant_id, principal_id, finished_at) WHERE finished_at IS NOT NULL AND seen_at IS NULL;

-- One row a move: which jobs went where, and from where. What was moved back is not moved back again.
CREATE TABLE moves (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  principal_id bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  to_subject_id bigint,
  jobs jsonb NOT NULL,                     -- [{id, from}]
  undone_at timestamptz,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, principal_id) REFERENCES principals (tenant_id, id)
);

-- A link that signs a browser in, once.
CREATE TABLE sign_in_links (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL,
  principal_id bigint NOT NULL,
  secret_hash bytea NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, principal_id) REFERENCES principals (tenant_id, id) ON DELETE CASCADE
);

DO $$
DECLARE
  walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['moves', 'sign_in_links'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY owner_sees_all ON %I TO backburner_owner USING (true) WITH CHECK (true)', walled);
    EXECUTE format('CREATE POLICY hands_see_all ON %I TO backburner_hands USING (true) WITH CHECK (true)', walled);
    EXECUTE format('CREATE POLICY door_sees_its_tenant ON %I TO backburner_door'
                   ' USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON moves TO backburner_door;
GRANT INSERT, SELECT (id) ON sign_in_links TO backburner_door;
GRANT SELECT, UPDATE (used_at) ON sign_in_links TO backburner_hands;
GRANT INSERT, DELETE ON sessions TO backburner_hands;
