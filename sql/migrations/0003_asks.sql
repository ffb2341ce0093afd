-- Questions to people. An answer is written once and never changed; the first one wins.

CREATE TABLE asks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL,
  job_id text NOT NULL,
  name text NOT NULL,
  question text NOT NULL,
  choices jsonb,
  form jsonb,
  shown jsonb,
  shown_hash bytea,                        -- binds the answer to exactly what was shown
  asked_at timestamptz NOT NULL DEFAULT now(),
  answer jsonb,
  answered_at timestamptz,
  answered_by bigint,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, job_id, name),
  FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, answered_by) REFERENCES principals (tenant_id, id),
  CHECK ((answer IS NULL) = (answered_at IS NULL))
);
CREATE INDEX asks_open ON asks (tenant_id, asked_at) WHERE answered_at IS NULL;
