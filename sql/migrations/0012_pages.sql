-- What was scraped: feeds, with what makes it cheap to ask them again, and pages, each of which is handed on once.

CREATE TABLE feeds (
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  address text NOT NULL,
  etag text NOT NULL DEFAULT '',
  last_modified text NOT NULL DEFAULT '',
  read_at timestamptz,
  PRIMARY KEY (tenant_id, address)
);

CREATE TABLE pages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  hash bytea NOT NULL CHECK (length(hash) = 32),  -- of its canonical address
  address text NOT NULL,
  title text NOT NULL,
  author text NOT NULL DEFAULT '',
  published text NOT NULL DEFAULT '',      -- a day, as the page says it
  content text NOT NULL,                   -- Markdown
  etag text NOT NULL DEFAULT '',
  last_modified text NOT NULL DEFAULT '',
  kept_at timestamptz NOT NULL DEFAULT now(),
  batch text,                              -- under which key it is handed on; written before its job is created
  request jsonb,                           -- the job that it becomes, exactly as it is asked for
  job_id text,                             -- the job that it became; also where that was deleted since
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, hash),
  CONSTRAINT taken_with_its_request CHECK ((batch IS NULL) = (request IS NULL)),
  CONSTRAINT handed_on_after_it_was_taken CHECK (job_id IS NULL OR batch IS NOT NULL)
);
CREATE INDEX pages_not_handed_on ON pages (tenant_id, id) WHERE job_id IS NULL;

-- Every address that ever led to a page, as a hash of its canonical form.
CREATE TABLE page_addresses (
  tenant_id bigint NOT NULL,
  hash bytea NOT NULL CHECK (length(hash) = 32),
  page_id bigint NOT NULL,
  PRIMARY KEY (tenant_id, hash),
  FOREIGN KEY (tenant_id, page_id) REFERENCES pages (tenant_id, id) ON DELETE CASCADE
);

DO $$
DECLARE
  walled text;
BEGIN
  FOREACH walled IN ARRAY ARRAY['feeds', 'pages', 'page_addresses'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY owner_sees_all ON %I TO backburner_owner USING (true) WITH CHECK (true)', walled);
    EXECUTE format('CREATE POLICY hands_see_all ON %I TO backburner_hands USING (true) WITH CHECK (true)', walled);
    EXECUTE format('CREATE POLICY door_sees_its_tenant ON %I TO backburner_door'
                   ' USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON feeds TO backburner_door;
GRANT SELECT, INSERT, UPDATE ON pages TO backburner_door;
GRANT SELECT, INSERT ON page_addresses TO backburner_door;
