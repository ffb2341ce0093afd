-- Telling other programs that a job has ended: the delivery is written with the ending, and sent until it is taken.

CREATE TABLE webhook_endpoints (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  url text NOT NULL,
  secret text NOT NULL,
  events text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  disabled_at timestamptz,
  UNIQUE (tenant_id, id)
);

CREATE TABLE webhook_deliveries (
  id text PRIMARY KEY,                     -- the webhook-id: the same over all tries
  tenant_id bigint NOT NULL,
  endpoint_id bigint NOT NULL,
  job_id text NOT NULL,
  type text NOT NULL,
  body jsonb NOT NULL,
  tries int NOT NULL DEFAULT 0,
  next_at timestamptz DEFAULT now(),
  delivered_at timestamptz,
  last_answer text,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE delivered_at IS NULL AND next_at IS NOT NULL;
