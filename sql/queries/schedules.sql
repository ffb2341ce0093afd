-- name: schedules
-- The tenant's schedules, each with how its last job stands.
SELECT x.id, x.principal_id AS principal, x.name, x.cron, x.timezone, x.job, x.overlap, x.catch_up, x.version, x.created_at, x.next_at, x.paused_at,
       x.fired_at, j.id AS last_job, j.status AS last_status, x.skipped, x.skipped_at, x.missed, x.missed_at, x.last_error, x.error_since
  FROM schedules x LEFT JOIN jobs j ON j.tenant_id = x.tenant_id AND j.id = x.last_job
 WHERE x.tenant_id = current_tenant() AND (%(named)s::text IS NULL OR x.folded = %(named)s OR x.id::text = %(named)s) ORDER BY x.folded

-- name: add_schedule
-- No row: the name is taken, or there are as many as may be.
INSERT INTO schedules (tenant_id, principal_id, name, folded, cron, timezone, job, overlap, catch_up, next_at)
SELECT current_tenant(), %(principal)s, %(name)s, %(folded)s, %(cron)s, %(timezone)s, %(job)s, %(overlap)s, %(catch_up)s, %(next_at)s
 WHERE (SELECT count(*) FROM schedules x WHERE x.tenant_id = current_tenant()) < %(most)s
    ON CONFLICT (tenant_id, folded) DO NOTHING
RETURNING id

-- name: change_schedule
-- No row: it was changed since it was read. What was wrong with it may be mended now: it is tried at once.
UPDATE schedules x
   SET name = %(name)s, folded = %(folded)s, cron = %(cron)s, timezone = %(timezone)s, job = %(job)s, overlap = %(overlap)s, catch_up = %(catch_up)s,
       principal_id = %(principal)s, next_at = %(next_at)s, version = x.version + 1, retry_at = NULL, last_error = NULL, error_since = NULL
 WHERE x.tenant_id = current_tenant() AND x.id = %(id)s AND x.version = %(version)s RETURNING x.id

-- name: pause_schedule
UPDATE schedules x SET paused_at = coalesce(x.paused_at, now()) WHERE x.tenant_id = current_tenant() AND x.id = %(id)s RETURNING x.id

-- name: resume_schedule
-- The times that passed meanwhile were not wanted: they are not missed. No row: it is not paused.
UPDATE schedules x SET paused_at = NULL, next_at = %(next_at)s, retry_at = NULL, last_error = NULL, error_since = NULL
 WHERE x.tenant_id = current_tenant() AND x.id = %(id)s AND x.paused_at IS NOT NULL RETURNING x.id

-- name: ran_schedule
-- The next time waits for this job, too, where it waits for those before it.
WITH ran AS (
  UPDATE schedules x SET last_job = %(job)s, unended = x.unended || %(job)s::text WHERE x.tenant_id = current_tenant() AND x.id = %(id)s RETURNING x.name
)
INSERT INTO job_events (tenant_id, job_id, principal_id, type, data)
SELECT current_tenant(), %(job)s, %(principal)s, 'scheduled', jsonb_build_object('schedule', r.name) FROM ran r RETURNING id

-- name: delete_schedule
DELETE FROM schedules x WHERE x.tenant_id = current_tenant() AND x.id = %(id)s RETURNING x.id

-- name: due_schedules
-- Whose time has come, with the clock by which it has. What could not be fired is left alone until it is tried again.
SELECT x.id, x.tenant_id AS tenant, x.name, x.cron, x.timezone, x.job, x.catch_up, x.next_at, x.version, now() AS now,
       EXISTS (SELECT FROM workers w WHERE w.stopped_at IS NULL AND w.seen_at > now() - interval '20 s' AND x.job ->> 'kind' = ANY (w.kinds)) AS is_offered
  FROM schedules x
 WHERE x.paused_at IS NULL AND x.next_at <= now() AND (x.retry_at IS NULL OR x.retry_at <= now()) ORDER BY x.next_at LIMIT 100
