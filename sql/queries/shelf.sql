-- name: subjects
-- Every subject that has jobs, and no subject (null): how many in each status, and when the newest came; as of which snapshot.
SELECT s.name, c.status, c.jobs, c.newest, pg_current_snapshot()::text AS as_of
  FROM (SELECT j.subject_id, j.status, count(*) AS jobs, max(j.created_at) AS newest
          FROM jobs j WHERE j.tenant_id = current_tenant() GROUP BY j.subject_id, j.status) AS c
       LEFT JOIN subjects s ON s.tenant_id = current_tenant() AND s.id = c.subject_id

-- name: news_since
-- Whether anything has happened in the tenant that this snapshot did not show.
SELECT EXISTS (
  SELECT FROM job_events e
   WHERE e.tenant_id = current_tenant() AND e.tx >= pg_snapshot_xmin(%(as_of)s::pg_snapshot) AND NOT pg_visible_in_snapshot(e.tx, %(as_of)s::pg_snapshot)
) AS is_news

-- name: subject_names
SELECT s.name FROM subjects s WHERE s.tenant_id = current_tenant() ORDER BY s.id

-- name: shelf
-- The newest completed jobs of every subject, newest versions only: who was redone well steps back behind the newer one.
SELECT shown.id
  FROM (SELECT id AS subject_id FROM subjects WHERE tenant_id = current_tenant() UNION ALL SELECT NULL) AS of
 CROSS JOIN LATERAL (
       SELECT j.id FROM jobs j
        WHERE j.tenant_id = current_tenant() AND j.subject_id IS NOT DISTINCT FROM of.subject_id AND j.status = 'completed'
          AND NOT EXISTS (SELECT FROM jobs n WHERE n.tenant_id = j.tenant_id AND n.redo_of = j.id AND n.status = 'completed')
        ORDER BY j.created_at DESC, j.id DESC LIMIT %(each)s) AS shown

-- name: versions
-- The whole family of a job, over all its redos: oldest first.
WITH RECURSIVE family AS (
  SELECT j.id, j.redo_of FROM jobs j WHERE j.tenant_id = current_tenant() AND j.id = %(job)s
   UNION
  SELECT j.id, j.redo_of FROM jobs j JOIN family f ON j.id = f.redo_of OR j.redo_of = f.id WHERE j.tenant_id = current_tenant()
)
SELECT f.id FROM family f JOIN jobs j ON j.id = f.id ORDER BY j.created_at, j.id

-- name: version_counts
-- How many versions each of these jobs has become, back to the first that is still kept.
WITH RECURSIVE back AS (
  SELECT j.id AS newest, j.redo_of FROM jobs j WHERE j.tenant_id = current_tenant() AND j.id = ANY(%(ids)s)
   UNION ALL
  SELECT b.newest, j.redo_of FROM back b JOIN jobs j ON j.id = b.redo_of WHERE j.tenant_id = current_tenant()
)
SELECT b.newest AS id, count(*) AS versions FROM back b GROUP BY b.newest

-- name: superseded
-- How many completed jobs of each subject (null: of none) stand behind a newer version, and so are not counted twice.
SELECT s.name, count(*) AS jobs
  FROM jobs j LEFT JOIN subjects s ON s.tenant_id = j.tenant_id AND s.id = j.subject_id
 WHERE j.tenant_id = current_tenant() AND j.status = 'completed'
   AND j.id IN (SELECT n.redo_of FROM jobs n WHERE n.tenant_id = current_tenant() AND n.redo_of IS NOT NULL AND n.status = 'completed')
 GROUP BY s.name

-- name: unseen
-- What this principal asked for and was never told the end of, within a day, newest first.
SELECT j.id FROM jobs j
 WHERE j.tenant_id = current_tenant() AND j.principal_id = %(principal)s AND j.seen_at IS NULL AND j.finished_at > now() - interval '1 day'
 ORDER BY j.finished_at DESC LIMIT %(limit)s

-- name: ids
-- Only the ids of jobs; the conditions of a filter follow.
SELECT j.id FROM jobs j

-- name: principal_of_session
SELECT x.tenant_id AS tenant, x.principal_id AS principal, p.name,
       ARRAY['jobs:read', 'jobs:create', 'jobs:organise', 'jobs:cancel', 'jobs:answer'] || CASE WHEN x.is_admin THEN ARRAY['admin'] ELSE '{}' END AS scopes
  FROM sessions x JOIN principals p ON p.tenant_id = x.tenant_id AND p.id = x.principal_id
 WHERE x.secret_hash = %(secret_hash)s AND x.expires_at > now()

-- name: end_session
DELETE FROM sessions WHERE secret_hash = %(secret_hash)s RETURNING id

-- name: person
-- The number of a person (no agent) by name.
SELECT p.id FROM principals p WHERE p.tenant_id = current_tenant() AND p.name = %(name)s AND p.role = 'person'

-- name: add_person
-- No row: somebody has this name.
INSERT INTO principals (tenant_id, name, role) VALUES (current_tenant(), %(name)s, 'person') ON CONFLICT (tenant_id, name) DO NOTHING RETURNING id

-- name: known
-- Everybody in the tenant: people, and agents with whose they are.
SELECT p.id, p.name, p.role = 'person' AS is_person, o.name AS person
  FROM principals p LEFT JOIN principals o ON o.tenant_id = p.tenant_id AND o.id = p.person_id
 WHERE p.tenant_id = current_tenant() ORDER BY p.id

-- name: waiting
-- The open questions, those first that are put to this person by name, or to nobody who is here. In two halves, so that each
-- stops at its limit, however many wait.
WITH found AS (
  (SELECT a.id, true AS is_mine FROM asks a
    WHERE a.tenant_id = current_tenant() AND a.answered_at IS NULL AND a.withdrawn_at IS NULL
      AND (a.for_person IS NULL OR lower(a.for_person) = lower(%(name)s) OR NOT EXISTS (
         SELECT FROM principals p WHERE p.tenant_id = a.tenant_id AND p.role = 'person' AND lower(p.name) = lower(a.for_person)))
    ORDER BY a.asked_at, a.id LIMIT %(limit)s)
  UNION ALL
  (SELECT a.id, false FROM asks a
    WHERE a.tenant_id = current_tenant() AND a.answered_at IS NULL AND a.withdrawn_at IS NULL AND a.for_person IS NOT NULL
      AND NOT (a.for_person IS NULL OR lower(a.for_person) = lower(%(name)s) OR NOT EXISTS (
         SELECT FROM principals p WHERE p.tenant_id = a.tenant_id AND p.role = 'person' AND lower(p.name) = lower(a.for_person)))
    ORDER BY a.asked_at, a.id LIMIT %(limit)s))
SELECT a.id, a.job_id AS job, j.kind, j.title, j.principal_id AS principal, j.batch_id, left(a.question, 300) AS question, coalesce(a.choices, '[]') AS choices,
       a.form IS NOT NULL AS has_form, jsonb_array_length(coalesce(a.form -> 'required', '[]')) > 0 AS needs_form,
       encode(a.shown_hash, 'hex') AS shown_hash, a.asked_at, a.for_person, f.is_mine
  FROM found f JOIN asks a ON a.tenant_id = current_tenant() AND a.id = f.id JOIN jobs j ON j.tenant_id = a.tenant_id AND j.id = a.job_id
 ORDER BY f.is_mine DESC, a.asked_at, a.id LIMIT %(limit)s

-- name: waiting_count
-- How many of them are this person's; of very many only that they are.
SELECT count(*) AS asks FROM (
  SELECT FROM asks a
   WHERE a.tenant_id = current_tenant() AND a.answered_at IS NULL AND a.withdrawn_at IS NULL
     AND (a.for_person IS NULL OR lower(a.for_person) = lower(%(name)s) OR NOT EXISTS (
         SELECT FROM principals p WHERE p.tenant_id = a.tenant_id AND p.role = 'person' AND lower(p.name) = lower(a.for_person))) LIMIT 1000) AS counted

-- name: person_of
-- The person that a principal is, or whose agent it is.
SELECT p.id AS principal, p.name FROM principals me JOIN principals p ON p.tenant_id = me.tenant_id AND p.id = coalesce(me.person_id, me.id)
 WHERE me.tenant_id = current_tenant() AND me.id = %(principal)s

-- name: add_link
INSERT INTO sign_in_links (tenant_id, principal_id, secret_hash, expires_at, is_admin)
VALUES (current_tenant(), %(principal)s, %(secret_hash)s, now() + make_interval(secs => %(lasts_s)s), %(is_admin)s) RETURNING id

-- name: events_after
-- What happened since, over all tenants; stops below the oldest transaction still open, because ids commit out of order.
SELECT e.tx::text, e.id, e.tenant_id AS tenant, e.job_id AS job, e.type FROM job_events e
 WHERE (e.tx, e.id) > (%(tx)s::xid8, %(id)s) AND e.tx < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY e.tx, e.id LIMIT 1000

-- name: events_end
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS tx
