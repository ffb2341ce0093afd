-- name: unfinished
-- What the tenant's jobs that have not ended do, and since when.
SELECT j.kind, j.queue, s.state, count(*) AS jobs, min(s.since) AS since
  FROM jobs j CROSS JOIN LATERAL (
         SELECT CASE WHEN j.status = 'queued' AND j.run_after > now() THEN 'scheduled' ELSE coalesce(j.waiting_for, j.status) END AS state,
                CASE j.status WHEN 'queued' THEN greatest(j.run_after, j.created_at) WHEN 'running' THEN j.claimed_at
                              ELSE coalesce(j.waiting_since, j.created_at) END AS since) AS s
 WHERE j.tenant_id = current_tenant() AND j.finished_at IS NULL GROUP BY j.kind, j.queue, s.state ORDER BY j.kind, j.queue, s.state

-- name: first_queued
-- The due job of this kind and queue that was asked for first; no row: none waits any longer.
SELECT j.id FROM jobs j
 WHERE j.tenant_id = current_tenant() AND j.finished_at IS NULL AND j.status = 'queued' AND j.kind = %(kind)s AND j.queue = %(queue)s
   AND j.run_after <= now() ORDER BY j.created_at, j.id LIMIT 1

-- name: all_unfinished
-- The same of all tenants together.
SELECT j.kind, j.queue, s.state, count(*) AS jobs, min(s.since) AS since
  FROM jobs j CROSS JOIN LATERAL (
         SELECT CASE WHEN j.status = 'queued' AND j.run_after > now() THEN 'scheduled' ELSE coalesce(j.waiting_for, j.status) END AS state,
                CASE j.status WHEN 'queued' THEN greatest(j.run_after, j.created_at) WHEN 'running' THEN j.claimed_at
                              ELSE coalesce(j.waiting_since, j.created_at) END AS since) AS s
 WHERE j.finished_at IS NULL GROUP BY j.kind, j.queue, s.state ORDER BY j.kind, j.queue, s.state

-- name: counted
-- What happened to the tenant's jobs today and within so many days before.
SELECT c.kind, c.what, c.bucket, sum(c.jobs)::bigint AS jobs, sum(c.seconds) AS seconds FROM job_counts c
 WHERE c.tenant_id = current_tenant() AND c.span = 'day' AND c.began > now() - make_interval(days => %(days)s) GROUP BY c.kind, c.what, c.bucket

-- name: all_counted
-- What ever happened to the jobs of all tenants together.
SELECT c.kind, c.what, c.bucket, sum(c.jobs)::bigint AS jobs, sum(c.seconds) AS seconds FROM job_counts c
 WHERE c.span = 'ever' GROUP BY c.kind, c.what, c.bucket

-- name: hours
-- What happened to the tenant's jobs in each of the last hours.
SELECT c.began, coalesce(sum(c.jobs) FILTER (WHERE c.what = 'completed'), 0)::bigint AS completed,
       coalesce(sum(c.jobs) FILTER (WHERE c.what IN ('failed', 'poison')), 0)::bigint AS failed,
       coalesce(sum(c.jobs) FILTER (WHERE c.what = 'crashed'), 0)::bigint AS crashed,
       coalesce(sum(c.jobs) FILTER (WHERE c.what = 'poison'), 0)::bigint AS poisoned
  FROM job_counts c
 WHERE c.tenant_id = current_tenant() AND c.span = 'hour' AND c.began > now() - make_interval(hours => %(hours)s)
 GROUP BY c.began ORDER BY c.began

-- name: limits
-- Of which kinds only so many run at once in the tenant, by its own row or by what workers announce, and how many do.
SELECT l.kind, l.most, (SELECT count(*) FROM jobs r WHERE r.tenant_id = current_tenant() AND r.status = 'running' AND r.kind = l.kind) AS running
  FROM (SELECT coalesce(mine.kind, a.kind) AS kind, coalesce(mine.max_running, a.most) AS most
          FROM (SELECT e.key AS kind, min(e.value::int) AS most FROM workers w, jsonb_each_text(w.at_once) AS e
                 WHERE w.stopped_at IS NULL AND w.seen_at > now() - interval '1 minute' GROUP BY e.key) AS a
               FULL JOIN (SELECT l.kind, l.max_running FROM limits l WHERE l.tenant_id = current_tenant()) AS mine ON mine.kind = a.kind) AS l
 ORDER BY l.kind

-- name: tables
-- The tables by their size, with about how many rows each has, as of when Postgres last looked through it (-1: never).
SELECT c.relname AS name, greatest(c.reltuples, -1)::bigint AS rows, pg_total_relation_size(c.oid) AS bytes
  FROM pg_class c WHERE c.relnamespace = 'backburner'::regnamespace AND c.relkind = 'r' ORDER BY bytes DESC

-- name: database_bytes
SELECT pg_database_size(current_database()) AS bytes

-- name: artifact_bytes
-- How much the tenant's jobs of each kind have made, from a sample of so many percent of the table's pages.
SELECT s.kind, (count(*) * 100 / %(percent)s)::bigint AS files, (sum(s.bytes) * 100 / %(percent)s)::bigint AS bytes
  FROM (SELECT a.bytes, (SELECT j.kind FROM jobs j WHERE j.tenant_id = a.tenant_id AND j.id = a.job_id) AS kind  -- no join: that would read all jobs
          FROM artifacts a TABLESAMPLE SYSTEM (%(percent)s) WHERE a.tenant_id = current_tenant()) AS s
 GROUP BY s.kind ORDER BY bytes DESC

-- name: deliveries_standing
-- How it goes with telling the tenant's webhooks.
SELECT (SELECT count(*) FROM webhook_deliveries d WHERE d.tenant_id = current_tenant() AND d.delivered_at IS NULL AND d.next_at IS NOT NULL) AS pending,
       (SELECT count(*) FROM webhook_deliveries d
         WHERE d.tenant_id = current_tenant() AND d.delivered_at IS NULL AND d.next_at IS NOT NULL AND d.last_answer IS NOT NULL) AS failing,
       (SELECT count(*) FROM webhook_endpoints e JOIN webhook_deliveries d ON d.tenant_id = e.tenant_id AND d.endpoint_id = e.id
         WHERE e.tenant_id = current_tenant() AND e.disabled_at IS NULL AND d.created_at > now() - interval '7 days'
           AND d.delivered_at IS NULL AND d.next_at IS NULL) AS given_up

-- name: all_deliveries_standing
-- The same of all tenants together.
SELECT (SELECT count(*) FROM webhook_deliveries d WHERE d.delivered_at IS NULL AND d.next_at IS NOT NULL) AS pending,
       (SELECT count(*) FROM webhook_deliveries d WHERE d.delivered_at IS NULL AND d.next_at IS NOT NULL AND d.last_answer IS NOT NULL) AS failing,
       (SELECT count(*) FROM webhook_endpoints e JOIN webhook_deliveries d ON d.tenant_id = e.tenant_id AND d.endpoint_id = e.id
         WHERE e.disabled_at IS NULL AND d.created_at > now() - interval '7 days' AND d.delivered_at IS NULL AND d.next_at IS NULL) AS given_up

-- name: questions_standing
-- How many questions of the tenant are open, and how many of them for longer than a week.
SELECT count(*) AS open, count(*) FILTER (WHERE q.asked_at < now() - interval '7 days') AS long_open, min(q.asked_at) AS oldest
  FROM (SELECT a.asked_at FROM asks a WHERE a.tenant_id = current_tenant() AND a.answered_at IS NULL AND a.withdrawn_at IS NULL
         ORDER BY a.asked_at, a.id LIMIT 10000) AS q

-- name: all_questions_standing
-- The same of all tenants together.
SELECT count(*) AS open, count(*) FILTER (WHERE q.asked_at < now() - interval '7 days') AS long_open, min(q.asked_at) AS oldest
  FROM (SELECT a.asked_at FROM asks a WHERE a.answered_at IS NULL AND a.withdrawn_at IS NULL
         ORDER BY a.asked_at LIMIT 10000) AS q

-- name: keeping
-- For how long is kept what completed and nobody filed.
SELECT k.days, k.since FROM keeping k

-- name: expiring
-- Of the tenant's jobs that nobody filed, those that go within a week: how many (as far as they are counted), when the first,
-- and how many on that day. Where nothing goes, one row that says so.
SELECT count(*) AS jobs, min(g.at) AS first, count(*) FILTER (WHERE g.at < g.first_at + interval '1 day') AS with_the_first
  FROM (SELECT u.at, min(u.at) OVER () AS first_at
          FROM (SELECT r.kept_for, r.announced_at, now() + interval '7 days' - r.kept_for AS before
                  FROM (SELECT make_interval(days => k.days) AS kept_for, k.since + make_interval(days => least(k.days, 7)) AS announced_at
                          FROM keeping k WHERE k.days IS NOT NULL) AS r) AS rule
               CROSS JOIN LATERAL (
                 SELECT greatest(j.finished_at + rule.kept_for, j.unfiled_at + rule.kept_for, rule.announced_at) AS at FROM jobs j
                  WHERE j.tenant_id = current_tenant() AND j.subject_id IS NULL AND j.created_at < rule.before AND j.status = 'completed'
                    AND j.keep_until IS NULL AND greatest(j.finished_at, j.unfiled_at) < rule.before
                  ORDER BY j.created_at, j.id LIMIT %(most)s) AS u
         WHERE rule.announced_at < now() + interval '7 days') AS g

-- name: tail_lag
-- For how long the next event after this place of the log has been waiting to be read; no row: none does.
SELECT extract(epoch FROM now() - e.at)::float8 AS seconds FROM job_events e WHERE (e.tx, e.id) > (%(tx)s::xid8, %(id)s) ORDER BY e.tx, e.id LIMIT 1

-- name: tenants_count
SELECT count(*) AS tenants FROM (SELECT FROM tenants LIMIT 2) AS t
