-- A job may name an address of its own, secrets are changed without a gap, and what was answered can be read.

ALTER TABLE webhook_endpoints
  ADD COLUMN of_jobs boolean NOT NULL DEFAULT false,  -- it is here only because jobs name it
  ADD COLUMN named_at timestamptz,                    -- when a job last named it
  ADD COLUMN old_secret text,                         -- signed with, too, until
  ADD COLUMN old_secret_until timestamptz,
  ADD COLUMN disabled_because text,
  ADD CONSTRAINT webhook_endpoints_url UNIQUE (tenant_id, url);
CREATE INDEX webhook_endpoints_listening ON webhook_endpoints (tenant_id) WHERE events <> '{}' AND disabled_at IS NULL;

ALTER TABLE webhook_deliveries
  ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN tried_at timestamptz,
  ADD CONSTRAINT webhook_deliveries_once UNIQUE (tenant_id, endpoint_id, job_id, type);
CREATE INDEX webhook_deliveries_queue ON webhook_deliveries (endpoint_id, next_at) WHERE delivered_at IS NULL AND next_at IS NOT NULL;
CREATE INDEX webhook_deliveries_recent ON webhook_deliveries (tenant_id, endpoint_id, created_at DESC);

-- Which jobs name which address.
CREATE TABLE job_webhooks (
  tenant_id bigint NOT NULL,
  job_id text NOT NULL,
  endpoint_id bigint NOT NULL,
  PRIMARY KEY (tenant_id, job_id, endpoint_id),
  FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX job_webhooks_endpoint ON job_webhooks (tenant_id, endpoint_id);
ALTER TABLE job_webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_sees_all ON job_webhooks TO backburner_owner USING (true) WITH CHECK (true);
CREATE POLICY hands_see_all ON job_webhooks TO backburner_hands USING (true) WITH CHECK (true);
CREATE POLICY door_sees_its_tenant ON job_webhooks TO backburner_door USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant());

GRANT SELECT, INSERT ON job_webhooks TO backburner_door;
GRANT SELECT, DELETE ON job_webhooks TO backburner_hands;
GRANT UPDATE (disabled_at, disabled_because), DELETE ON webhook_endpoints TO backburner_hands;
GRANT DELETE ON webhook_deliveries TO backburner_hands;
