-- The registry of episodes asks for the newest job of each source; without an index of its own it reads every job.

CREATE INDEX jobs_episodes ON jobs (tenant_id, (args ->> 'source'), created_at DESC) WHERE kind = 'episode';
