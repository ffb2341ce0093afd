-- Who works here, how much at a time, and what is created by the clock.

-- Presence, one row a process; no tenant, because hands work for all of them.
CREATE TABLE workers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,               -- one a boot, never reused
  host text NOT NULL,
  pid int NOT NULL,
  queues text[] NOT NULL,
  kinds text[] NOT NULL,
  unavailable jsonb NOT NULL DEFAULT '{}', -- kind -> why this worker cannot run it
  max_jobs int NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now(),
  stopped_at timestamptz
);
CREATE INDEX workers_alive ON workers (seen_at) WHERE stopped_at IS NULL;

-- At most so many of a kind at once in a tenant.
CREATE TABLE limits (
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  kind text NOT NULL,
  max_running int NOT NULL CHECK (max_running > 0),
  PRIMARY KEY (tenant_id, kind)
);

CREATE TABLE schedules (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL,
  principal_id bigint NOT NULL,
  name text NOT NULL,
  cron text NOT NULL,
  timezone text NOT NULL DEFAULT 'UTC',
  job jsonb NOT NULL,
  next_at timestamptz NOT NULL,
  paused_at timestamptz,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, name),
  FOREIGN KEY (tenant_id, principal_id) REFERENCES principals (tenant_id, id)
);
CREATE INDEX schedules_due ON schedules (next_at) WHERE paused_at IS NULL;
