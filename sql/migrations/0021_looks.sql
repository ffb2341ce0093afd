-- Looks that cost the same however much there is: the head of a queue, how many jobs lie under each subject, and which open
-- questions nobody was told of.

CREATE INDEX jobs_due ON jobs (tenant_id, queue, priority, run_after, id) INCLUDE (kind) WHERE status = 'queued';
CREATE INDEX jobs_counted ON jobs (tenant_id, subject_id, status, created_at);

ALTER TABLE notice_addresses
  ADD COLUMN news_from timestamptz NOT NULL DEFAULT 'epoch',  -- of all questions asked before it was told, or needed not be
  ADD COLUMN look_at timestamptz NOT NULL DEFAULT now();          -- when all open questions are looked through again
