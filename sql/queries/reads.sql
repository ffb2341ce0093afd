-- name: job_columns
-- Every column by its name: a prepared SELECT * breaks when a migration adds one.
SELECT j.id, j.tenant_id AS tenant, j.principal_id AS principal, j.kind, j.queue, j.title, j.args, s.name AS subject, j.labels, j.priority,
       j.batch_id, j.redo_of, j.status, j.waiting_for, j.version, j.run_after, j.rung_at, j.attempt, j.errors, j.crashes, j.max_attempts,
       j.fence, w.name AS worker, j.lease_until, j.deadline_at, j.progress, j.result, j.result_line, j.decision, j.error,
       j.created_at, j.started_at, j.claimed_at, j.finished_at, j.seen_at,
       coalesce(j.keep_until, CASE WHEN k.days IS NOT NULL THEN greatest(j.finished_at + make_interval(days => k.days),
                j.unfiled_at + make_interval(days => k.days), k.since + make_interval(days => least(k.days, 7))) END) AS keep_until,
       j.keep_until IS NULL AND k.days IS NOT NULL AS goes_unless_filed, j.waiting_on, j.waiting_since, j.look_at,
       (SELECT jsonb_agg(jsonb_build_object('name', a.name, 'title', a.title, 'media_type', a.media_type, 'bytes', a.bytes,
                                            'sha256', encode(a.sha256, 'hex'), 'fence', a.fence) ORDER BY a.position)
          FROM artifacts a WHERE a.tenant_id = j.tenant_id AND a.job_id = j.id) AS artifacts
  FROM jobs j LEFT JOIN subjects s ON s.tenant_id = j.tenant_id AND s.id = j.subject_id LEFT JOIN workers w ON w.id = j.worker_id
       LEFT JOIN keeping k ON j.status = 'completed' AND j.subject_id IS NULL

-- name: events
-- What happened to one job, oldest first. They outlive it.
SELECT e.at, e.type, e.principal_id AS principal, coalesce(e.data, '{}') AS data FROM job_events e
 WHERE e.tenant_id = current_tenant() AND e.job_id = %(job)s ORDER BY e.id

-- name: workers
-- Who works here, and how busy; those that stopped or fell silent within the last day last. A door counts the jobs of its
-- own tenant as they are, and takes the worker's word of a few seconds ago for the others.
SELECT w.name, w.host, w.pid, w.queues, w.kinds, w.unavailable, w.max_jobs, w.started_at, w.seen_at, w.version,
       w.stopped_at IS NULL AND w.seen_at > now() - interval '20 s' AS is_alive,
       greatest(w.running, (SELECT count(*) FROM jobs j WHERE j.worker_id = w.id AND j.status = 'running')) AS running
  FROM workers w WHERE w.seen_at > now() - interval '1 day' ORDER BY is_alive DESC, w.id

-- name: heads
-- The head of each lane (the due jobs of one priority) of those queues in which one of these jobs stands: the kinds, in the
-- order in which they were rung, and at which place those of these jobs stand that are in it. Ends at `most` jobs, however
-- many wait.
WITH asked AS MATERIALIZED (
  -- Nothing of their status, lest they are looked for in the index of all that is due.
  SELECT j.id, j.queue FROM jobs j WHERE j.tenant_id = current_tenant() AND j.id = ANY (%(jobs)s)
), head AS MATERIALIZED (
  SELECT q.queue, p.priority, d.*
    FROM (SELECT DISTINCT a.queue FROM asked a) AS q CROSS JOIN (VALUES (1::smallint), (0::smallint), (-1::smallint)) AS p (priority)
         CROSS JOIN LATERAL (
           SELECT j.id, j.kind, row_number() OVER (ORDER BY j.run_after, j.id) - 1 AS place FROM jobs j
            WHERE j.tenant_id = current_tenant() AND j.queue = q.queue AND j.priority = p.priority
              AND j.status = 'queued' AND j.run_after <= now() ORDER BY j.run_after, j.id LIMIT %(most)s) AS d
)
SELECT h.queue, h.priority, array_agg(h.kind ORDER BY h.place) AS kinds,
       coalesce(jsonb_object_agg(h.id, h.place) FILTER (WHERE h.id IN (SELECT a.id FROM asked a)), '{}') AS places
  FROM head h GROUP BY h.queue, h.priority

-- name: going
-- Of each queue and kind of which jobs run in the tenant, and of each kind of which only so many may (queue null): for how many
-- seconds each has been running, and how many may run at once (null: as many as there are slots).
WITH most AS (
  SELECT coalesce(l.kind, a.kind) AS kind, coalesce(l.max_running, a.most) AS most
    FROM (SELECT l.kind, l.max_running FROM limits l WHERE l.tenant_id = current_tenant()) AS l
         FULL JOIN (SELECT e.key AS kind, min(e.value::int) AS most FROM workers w, jsonb_each_text(w.at_once) AS e
                     WHERE w.stopped_at IS NULL AND w.seen_at > now() - interval '1 minute' GROUP BY e.key) AS a ON a.kind = l.kind
), going AS (
  SELECT j.queue, j.kind, array_agg(extract(epoch FROM now() - j.claimed_at)::float8) AS for_s
    FROM jobs j WHERE j.tenant_id = current_tenant() AND j.status = 'running' GROUP BY j.queue, j.kind
)
SELECT g.queue, coalesce(g.kind, m.kind) AS kind, coalesce(g.for_s, '{}') AS for_s, m.most FROM going g FULL JOIN most m ON m.kind = g.kind

-- name: run_times
-- What the last runs of every kind of the tenant took, and the clock by which jobs are claimed.
SELECT t.kind, t.run, now() AS now FROM run_times t WHERE t.tenant_id = current_tenant() ORDER BY t.id DESC LIMIT 5000

-- name: now
SELECT now() AS now

-- name: rung
-- Queued jobs that were rung a while ago, in lots: is their message still in Redis?
SELECT j.id, j.dispatch, j.queue FROM jobs j
 WHERE j.status = 'queued' AND j.rung_at IS NOT NULL AND j.rung_at < now() - interval '2 s' AND j.id > %(after)s ORDER BY j.id LIMIT 1000

-- name: postgres_age
SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS seconds

-- name: look
-- How a row stands for whoever held this fence; no row: deleted, or claimed by another since.
SELECT j.status, j.deadline_at <= now() AS is_late FROM jobs j WHERE j.id = %(job)s AND j.fence = %(fence)s

-- name: claimed
-- Of these jobs, those that a worker has.
SELECT j.id, j.fence FROM jobs j WHERE j.id = ANY (%(ids)s) AND j.worker_id = %(worker)s AND j.status = 'running'

-- name: step
-- A recorded step of this job, else an equal one of the tenant under its content address. What a redo inherited is older
-- than itself.
SELECT s.value, s.took_s, s.recorded_at < j.created_at AS is_taken_over FROM job_steps s JOIN jobs j ON j.tenant_id = s.tenant_id AND j.id = s.job_id
 WHERE s.tenant_id = %(tenant)s AND s.job_id = %(job)s AND s.name = %(name)s AND s.args_hash = %(args_hash)s
UNION ALL
(SELECT s.value, s.took_s, true FROM job_steps s WHERE s.tenant_id = %(tenant)s AND s.reuse = %(reuse)s AND s.name = %(name)s ORDER BY s.recorded_at DESC LIMIT 1)
 LIMIT 1

-- name: ask
-- What became of a question that shows exactly this; no row: it was never asked.
SELECT a.answer, a.answered_at AS at, p.name AS by_name, coalesce(a.withdrawn_at >= a.deadline_at, false) AS is_expired
  FROM asks a LEFT JOIN principals p ON p.tenant_id = a.tenant_id AND p.id = a.answered_by
 WHERE a.tenant_id = %(tenant)s AND a.job_id = %(job)s AND a.name = %(name)s AND a.shown_hash = %(shown_hash)s

-- name: asks
-- Questions and their jobs; the conditions of a filter follow.
SELECT a.id, a.job_id AS job, j.kind, j.title, j.principal_id AS principal, a.name, a.question, coalesce(a.choices, '[]') AS choices, a.form, a.shown,
       encode(a.shown_hash, 'hex') AS shown_hash, a.asked_at, a.for_person, a.deadline_at, a.answer, a.answered_at, p.name AS answered_by, a.withdrawn_at
  FROM asks a JOIN jobs j ON j.tenant_id = a.tenant_id AND j.id = a.job_id
       LEFT JOIN principals p ON p.tenant_id = a.tenant_id AND p.id = a.answered_by

-- name: batch
-- Of a batch: how many jobs are in each status, and how many questions those ask.
SELECT j.status, count(*) AS jobs,
       sum((SELECT count(*) FROM asks a WHERE a.tenant_id = j.tenant_id AND a.job_id = j.id AND a.answered_at IS NULL AND a.withdrawn_at IS NULL)) AS asks
  FROM jobs j WHERE j.tenant_id = current_tenant() AND j.batch_id = %(batch)s GROUP BY j.status

-- name: parents
-- Which jobs these come after, and how those are; one that is gone has no status.
SELECT l.job_id AS job, l.after_id AS id, p.kind, p.title, p.status FROM job_links l LEFT JOIN jobs p ON p.tenant_id = l.tenant_id AND p.id = l.after_id
 WHERE l.tenant_id = current_tenant() AND l.job_id = ANY (%(jobs)s) ORDER BY p.created_at, l.after_id

-- name: secret
-- Of this installation, for the addresses that others call back.
SELECT i.secret FROM installation i

-- name: artifacts
-- The files of a completed job of the tenant, in order; one row of nulls where it made none, no row where there is no such job.
SELECT a.name, a.title, a.media_type, a.bytes, encode(a.sha256, 'hex') AS sha256, a.fence
  FROM jobs j LEFT JOIN artifacts a ON a.tenant_id = j.tenant_id AND a.job_id = j.id
 WHERE j.tenant_id = %(tenant)s AND j.id = %(job)s AND j.status = 'completed' ORDER BY a.position

-- name: earlier
-- Completed jobs of a kind with these labels, oldest first: of each that was redone the newest version, none of this job itself.
WITH RECURSIVE alike AS (
  SELECT j.id, j.redo_of, j.status, j.finished_at, j.result FROM jobs j
   WHERE j.tenant_id = %(tenant)s AND j.kind = %(kind)s AND j.labels <> '{}' AND j.labels @> %(labels)s
), versions AS (
  SELECT a.id, a.id AS first FROM alike a WHERE a.redo_of IS NULL OR NOT EXISTS (SELECT FROM alike before WHERE before.id = a.redo_of)
   UNION ALL
  SELECT a.id, v.first FROM alike a JOIN versions v ON a.redo_of = v.id
), newest AS (
  SELECT DISTINCT ON (v.first) a.id, a.finished_at, a.result - 'redo' AS result FROM alike a JOIN versions v ON v.id = a.id
   WHERE a.status = 'completed' AND v.first IS DISTINCT FROM (SELECT mine.first FROM versions mine WHERE mine.id = %(job)s)
   ORDER BY v.first, a.finished_at DESC, a.id DESC
)
SELECT n.id, n.finished_at, n.result FROM newest n ORDER BY n.finished_at, n.id

-- name: kept_files
-- Of these (job, fence) pairs, those whose files must stay: settled ones, what is being made, and (no fence) what steps made.
SELECT asked.job_id, asked.fence FROM jsonb_to_recordset(%(pairs)s) AS asked (job_id text, fence bigint) JOIN jobs j ON j.id = asked.job_id
 WHERE asked.fence IS NULL
    OR j.fence = asked.fence AND j.status IN ('running', 'completed')
    OR EXISTS (SELECT FROM artifacts a WHERE a.tenant_id = j.tenant_id AND a.job_id = j.id AND a.fence = asked.fence)

-- name: principal_of_token
SELECT t.tenant_id AS tenant, t.principal_id AS principal, p.name, t.scopes FROM tokens t JOIN principals p ON p.tenant_id = t.tenant_id AND p.id = t.principal_id
 WHERE t.secret_hash = %(secret_hash)s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())

-- name: principal_by_name
SELECT p.tenant_id AS tenant, p.id AS principal, p.name, ARRAY[]::text[] AS scopes
  FROM principals p JOIN tenants t ON t.id = p.tenant_id WHERE t.name = %(tenant)s AND p.name = %(name)s

-- name: tokens
SELECT t.id, t.name, p.name AS principal, t.scopes, t.created_at, t.expires_at, t.revoked_at, t.used_at
  FROM tokens t JOIN principals p ON p.tenant_id = t.tenant_id AND p.id = t.principal_id WHERE t.tenant_id = current_tenant() ORDER BY t.id

-- name: add_token
INSERT INTO tokens (tenant_id, principal_id, name, secret_hash, scopes, expires_at)
VALUES (current_tenant(), %(principal)s, %(name)s, %(secret_hash)s, %(scopes)s, now() + %(lasts)s::interval) RETURNING id

-- name: revoke_token
UPDATE tokens SET revoked_at = now() WHERE tenant_id = current_tenant() AND id = %(token)s AND revoked_at IS NULL RETURNING id
