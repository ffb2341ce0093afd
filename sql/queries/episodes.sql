-- name: episodes
-- Every recording that was asked for, or found in a folder, a feed or a page: the furthest stage that it reached, and its newest job. Newest first.
WITH mine AS (
  SELECT j.id, j.args ->> 'source' AS source, j.args ->> 'target_stage' AS target, j.title, j.status, j.result, j.created_at,
         CASE WHEN j.status = 'completed' THEN array_position(%(stages)s, j.args ->> 'target_stage')
              ELSE (SELECT max(array_position(%(stages)s, s.name)) FROM job_steps s WHERE s.tenant_id = j.tenant_id AND s.job_id = j.id) END AS reached
    FROM jobs j WHERE j.tenant_id = current_tenant() AND j.kind = 'episode'
), asked AS (
  SELECT DISTINCT ON (m.source) m.source, m.id AS job, m.status, coalesce(m.result ->> 'title', nullif(m.title, '')) AS title,
         (m.result ->> 'duration_s')::float8 AS duration_s, m.created_at AS at, max(m.reached) OVER (PARTITION BY m.source) AS reached
    FROM mine m WHERE m.target <> 'discover' ORDER BY m.source, m.created_at DESC, m.id DESC
), found AS (
  SELECT DISTINCT ON (each ->> 'source') each ->> 'source' AS source, each ->> 'title' AS title, (each ->> 'duration_s')::float8 AS duration_s,
         m.source AS found_in, m.created_at AS at
    FROM mine m CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(m.result -> 'sources') WHEN 'array' THEN m.result -> 'sources' ELSE '[]' END) AS each
   WHERE m.target = 'discover' AND m.status = 'completed' ORDER BY each ->> 'source', m.created_at DESC
), episodes AS (
  SELECT coalesce(a.source, f.source) AS source, coalesce(a.title, f.title) AS title, coalesce(a.duration_s, f.duration_s) AS duration_s,
         (%(stages)s)[coalesce(a.reached, 1)] AS stage, a.job, a.status, f.found_in, coalesce(a.at, f.at) AS at
    FROM asked a FULL JOIN found f ON f.source = a.source
)
SELECT e.source, e.title, e.duration_s, e.stage, e.job, e.status, e.found_in, e.at FROM episodes e
 WHERE (%(stage)s::text[] IS NULL OR e.stage = ANY (%(stage)s)) AND (%(status)s::text[] IS NULL OR e.status = ANY (%(status)s))
   AND (%(source)s::text IS NULL OR e.source = %(source)s) AND (%(found_in)s::text IS NULL OR e.found_in = %(found_in)s)
   AND (NOT %(unasked)s OR e.job IS NULL)
   AND (%(older_at)s::timestamptz IS NULL OR (e.at, e.source) < (%(older_at)s, %(older_source)s))
 ORDER BY e.at DESC, e.source DESC LIMIT %(limit)s
