-- What runs took, so that others like them can be foretold; and how busy each worker is, for tenants that cannot see whose
-- jobs it runs.

CREATE TABLE run_times (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  kind text NOT NULL,
  took_s real NOT NULL,
  run jsonb NOT NULL                       -- stage by stage; record_runs keeps the newest few of a kind
);
CREATE INDEX run_times_of_kind ON run_times (tenant_id, kind, id DESC);
ALTER TABLE run_times ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_times FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_sees_all ON run_times TO backburner_owner USING (true) WITH CHECK (true);
CREATE POLICY hands_see_all ON run_times TO backburner_hands USING (true) WITH CHECK (true);
CREATE POLICY door_sees_its_tenant ON run_times TO backburner_door USING (tenant_id = current_tenant());
GRANT SELECT ON run_times TO backburner_door;
GRANT SELECT, INSERT, UPDATE, DELETE ON run_times TO backburner_hands;

ALTER TABLE workers ADD COLUMN running int NOT NULL DEFAULT 0;  -- as of its last beat, of all tenants
