-- Schedules come to life: a job is created by the clock, once for each time that comes, and how that goes is kept with it.
-- Hands may still only read them: fire_schedule runs as the owner.

ALTER TABLE schedules
  DROP CONSTRAINT schedules_tenant_id_name_key,
  ADD COLUMN folded text NOT NULL,             -- the name as it is compared; nothing wrote a row before this
  ADD COLUMN overlap text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'allow')),
  ADD COLUMN catch_up text NOT NULL DEFAULT 'latest' CHECK (catch_up IN ('latest', 'none')),
  ADD COLUMN version bigint NOT NULL DEFAULT 1, -- counted up by every change that somebody makes
  ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN retry_at timestamptz,             -- it is due and could not be fired: not tried again before
  ADD COLUMN fired_at timestamptz,             -- the time for which its last job was created
  ADD COLUMN last_job text,                    -- by the clock or by hand; no foreign key: it may have expired
  ADD COLUMN unended text[] NOT NULL DEFAULT '{}',  -- those of its jobs that had not ended when it was last looked at
  ADD COLUMN skipped int NOT NULL DEFAULT 0,   -- times at which the job before had not ended
  ADD COLUMN skipped_at timestamptz,
  ADD COLUMN missed int NOT NULL DEFAULT 0,    -- times that passed while no worker was there
  ADD COLUMN missed_at timestamptz,
  ADD COLUMN last_error text,                  -- why it cannot be fired
  ADD COLUMN error_since timestamptz,
  ADD CONSTRAINT schedules_folded UNIQUE (tenant_id, folded),
  ADD CONSTRAINT errors_are_dated CHECK ((last_error IS NULL) = (error_since IS NULL)),
  ADD CONSTRAINT retries_say_why CHECK (retry_at IS NULL OR last_error IS NOT NULL);
