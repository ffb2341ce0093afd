-- The job and everything that hangs on it. The CHECKs hold what machine.sql does; neither trusts the other.

CREATE TABLE subjects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  name text NOT NULL CHECK (name <> ''),
  folded text NOT NULL,                    -- the name as it is compared: case-folded, spaces collapsed
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, folded)
);

-- Never reused: every claim of any job draws the next number, and every later write of that attempt must show it.
CREATE SEQUENCE fences;

CREATE TABLE jobs (
  id text PRIMARY KEY CHECK (id ~ '^[0-9a-hjkmnp-tv-z]{13}$'),
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  principal_id bigint NOT NULL,
  kind text NOT NULL,
  queue text NOT NULL DEFAULT 'default',
  title text NOT NULL DEFAULT '',
  args jsonb NOT NULL DEFAULT '{}',
  subject_id bigint,
  labels jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(labels) = 'object'),
  priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN -1 AND 1),
  batch_id text,
  redo_of text,                            -- no foreign key: the older version may have expired
  idempotency_key text,
  request_hash bytea,                      -- the request as sent, where it came with a key
  args_hash bytea NOT NULL,                -- kind and validated arguments: what makes two jobs the same

  status text NOT NULL DEFAULT 'queued'
    CHECK (status IN ('queued', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
  waiting_for text CHECK (waiting_for IN ('person', 'outside', 'jobs')),
  version bigint NOT NULL DEFAULT 1,       -- counted up by every visible change
  run_after timestamptz NOT NULL DEFAULT now(),
  rung_at timestamptz,                     -- when its id was last put into Redis; NULL: the sweep rings it
  dispatch int NOT NULL DEFAULT 0,         -- how often it was rung: arq ignores an id that it still holds

  attempt int NOT NULL DEFAULT 0,          -- the number of the current or last attempt
  errors int NOT NULL DEFAULT 0,           -- attempts spent by exceptions and timeouts
  crashes int NOT NULL DEFAULT 0,          -- leases lost without a word
  max_attempts int,                        -- as the worker that claimed it knew the kind
  fence bigint,
  worker_id bigint,
  lease_until timestamptz,
  deadline_at timestamptz,

  progress jsonb,
  result jsonb,
  result_line text,
  decision text,
  error jsonb,

  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,                  -- the first claim
  claimed_at timestamptz,                  -- the last claim
  finished_at timestamptz,
  seen_at timestamptz,
  keep_until timestamptz,

  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, principal_id) REFERENCES principals (tenant_id, id),
  FOREIGN KEY (tenant_id, subject_id) REFERENCES subjects (tenant_id, id),
  CONSTRAINT running_has_a_lease CHECK (
    (status = 'running') = (lease_until IS NOT NULL)
    AND (status = 'running') = (deadline_at IS NOT NULL)
    AND (status = 'running') = (worker_id IS NOT NULL)
    AND (status <> 'running' OR (fence IS NOT NULL AND claimed_at IS NOT NULL AND started_at IS NOT NULL))),
  CONSTRAINT waiting_says_for_what CHECK ((status = 'waiting') = (waiting_for IS NOT NULL)),
  CONSTRAINT final_is_dated CHECK ((status IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
  CONSTRAINT failed_says_why CHECK (status <> 'failed' OR coalesce(error ? 'code' AND error ? 'message', false)),
  CONSTRAINT completed_has_no_error CHECK (status <> 'completed' OR error IS NULL)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE UNIQUE INDEX jobs_idempotency ON jobs (tenant_id, principal_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_same ON jobs (tenant_id, principal_id, args_hash, created_at DESC) WHERE status IN ('queued', 'running', 'waiting', 'completed');
CREATE INDEX jobs_unrung ON jobs (run_after) WHERE status = 'queued' AND rung_at IS NULL;
CREATE INDEX jobs_rung ON jobs (id) WHERE status = 'queued' AND rung_at IS NOT NULL;
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE status = 'running';
CREATE INDEX jobs_of_worker ON jobs (worker_id) WHERE status = 'running';
CREATE INDEX jobs_expiry ON jobs (keep_until) WHERE keep_until IS NOT NULL;
-- The read path. Each begins with the tenant, so that the policy's condition is the index's.
CREATE INDEX jobs_recent ON jobs (tenant_id, created_at DESC, id DESC);
CREATE INDEX jobs_live ON jobs (tenant_id, status, created_at DESC, id DESC) WHERE finished_at IS NULL;
CREATE INDEX jobs_ended ON jobs (tenant_id, status, created_at DESC, id DESC) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_shelf ON jobs (tenant_id, subject_id, created_at DESC, id DESC);
-- IS NULL is no equality to the planner: without an index of its own the tray sorts every row.
CREATE INDEX jobs_tray ON jobs (tenant_id, created_at DESC, id DESC) WHERE subject_id IS NULL;
CREATE INDEX jobs_batch ON jobs (tenant_id, batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX jobs_redone ON jobs (tenant_id, redo_of) WHERE redo_of IS NOT NULL;

-- Which job waits for which.
CREATE TABLE job_links (
  tenant_id bigint NOT NULL,
  job_id text NOT NULL,
  after_id text NOT NULL,
  if_parent_fails text NOT NULL DEFAULT 'cancel' CHECK (if_parent_fails IN ('cancel', 'run')),
  PRIMARY KEY (tenant_id, job_id, after_id),
  FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX job_links_after ON job_links (tenant_id, after_id);

-- Append-only, and outlives the job: the audit trail. Readers page by (tx, id), because ids alone commit out of order.
CREATE TABLE job_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  tenant_id bigint NOT NULL,
  job_id text NOT NULL,
  principal_id bigint,                     -- who did it; NULL: the machine
  at timestamptz NOT NULL DEFAULT now(),
  type text NOT NULL,
  data jsonb
);
CREATE INDEX job_events_of_job ON job_events (tenant_id, job_id, id);
CREATE INDEX job_events_tail ON job_events (tx, id);

CREATE TABLE job_steps (
  tenant_id bigint NOT NULL,
  job_id text NOT NULL,
  name text NOT NULL,
  args_hash bytea NOT NULL,
  reuse text,                              -- content address under which later jobs of the tenant find it
  value jsonb NOT NULL,
  took_s real NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, job_id, name, args_hash),
  FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX job_steps_reuse ON job_steps (tenant_id, reuse, name) WHERE reuse IS NOT NULL;

-- The file lies in the store under tenant/job/fence/name.
CREATE TABLE artifacts (
  tenant_id bigint NOT NULL,
  job_id text NOT NULL,
  fence bigint NOT NULL,
  name text NOT NULL,
  position int NOT NULL,                   -- 0 is the thing, the rest come with it
  title text NOT NULL,
  media_type text NOT NULL,
  bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  PRIMARY KEY (tenant_id, job_id, name),
  FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id) ON DELETE CASCADE
);

-- What people and programs upload to be worked on.
CREATE TABLE files (
  id text PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants (id),
  principal_id bigint NOT NULL,
  name text NOT NULL,
  media_type text NOT NULL,
  bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  keep_until timestamptz,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, principal_id) REFERENCES principals (tenant_id, id)
);
