-- Row-level security: a tenant sees its own rows because the database says so, also to the tables' owner.

DO $$
DECLARE
  walled text;
BEGIN
  FOR walled IN SELECT tablename FROM pg_tables WHERE schemaname = 'backburner' LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY owner_sees_all ON %I TO backburner_owner USING (true) WITH CHECK (true)', walled);
    EXECUTE format('CREATE POLICY hands_see_all ON %I TO backburner_hands USING (true) WITH CHECK (true)', walled);
  END LOOP;
  FOR walled IN SELECT table_name FROM information_schema.columns
                 WHERE table_schema = 'backburner' AND column_name = 'tenant_id' LOOP
    EXECUTE format('CREATE POLICY door_sees_its_tenant ON %I TO backburner_door'
                   ' USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', walled);
  END LOOP;
END $$;
CREATE POLICY door_sees_its_tenant ON tenants TO backburner_door USING (id = current_tenant());
CREATE POLICY door_sees_who_works ON workers FOR SELECT TO backburner_door USING (true);
CREATE POLICY door_sees_the_version ON migrations FOR SELECT TO backburner_door USING (true);

GRANT USAGE ON SCHEMA backburner TO backburner_door, backburner_hands;
GRANT SELECT ON migrations, workers, tenants TO backburner_door, backburner_hands;

GRANT SELECT ON principals, artifacts, job_steps, job_links, job_events, limits TO backburner_door;
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs, subjects, asks, files, schedules, tokens, sessions,
  webhook_endpoints, webhook_deliveries TO backburner_door;
GRANT INSERT ON job_events, job_steps, job_links, principals TO backburner_door;

GRANT SELECT ON principals, tokens, sessions, subjects, job_links, job_events, asks, files, limits, schedules,
  webhook_endpoints TO backburner_hands;
GRANT SELECT, UPDATE, DELETE ON jobs TO backburner_hands;
GRANT UPDATE (used_at) ON tokens TO backburner_hands;
GRANT INSERT ON job_events TO backburner_hands;
GRANT SELECT, INSERT ON artifacts, job_steps TO backburner_hands;
GRANT SELECT, INSERT, UPDATE ON workers, webhook_deliveries TO backburner_hands;
GRANT USAGE ON SEQUENCE fences TO backburner_hands;
