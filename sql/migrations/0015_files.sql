-- Uploads are listed newest first, and forgotten when their time is over and no job needs them.

CREATE INDEX files_recent ON files (tenant_id, created_at DESC, id DESC);
CREATE INDEX files_expiry ON files (keep_until) WHERE keep_until IS NOT NULL;
GRANT UPDATE (keep_until), DELETE ON files TO backburner_hands;
