-- name: stats
-- How the jobs of each kind that were created within so many days went, and how many of all have not ended. Seconds are from
-- the first start to the end. What was deleted is not counted, nor the usage of a result too large to be kept with its job.
WITH shown AS (
  SELECT o.kind, o.status, o.finished_at, o.created_at >= now() - make_interval(days => %(days)s) AS is_recent,
         extract(epoch FROM o.finished_at - o.started_at)::float8 AS seconds, o.result -> 'usage' AS usage
    FROM jobs o
   WHERE o.tenant_id = current_tenant() AND (o.created_at >= now() - make_interval(days => %(days)s) OR o.finished_at IS NULL)
)
SELECT s.kind, count(*) FILTER (WHERE s.is_recent) AS created,
       count(*) FILTER (WHERE s.is_recent AND s.status = 'completed') AS completed,
       count(*) FILTER (WHERE s.is_recent AND s.status = 'failed') AS failed,
       count(*) FILTER (WHERE s.is_recent AND s.status = 'cancelled') AS cancelled,
       count(*) FILTER (WHERE s.finished_at IS NULL) AS unfinished,
       count(*) FILTER (WHERE s.status IN ('queued', 'waiting')) AS waiting,
       avg(s.seconds) FILTER (WHERE s.status = 'completed') AS average_s,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY s.seconds) FILTER (WHERE s.status = 'completed') AS p50_s,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY s.seconds) FILTER (WHERE s.status = 'completed') AS p95_s,
       sum(CASE WHEN jsonb_typeof(s.usage -> 'tokens_in') = 'number' THEN (s.usage ->> 'tokens_in')::numeric END)::bigint AS tokens_in,
       sum(CASE WHEN jsonb_typeof(s.usage -> 'tokens_out') = 'number' THEN (s.usage ->> 'tokens_out')::numeric END)::bigint AS tokens_out,
       sum(CASE WHEN jsonb_typeof(s.usage -> 'cost') = 'number' THEN (s.usage ->> 'cost')::numeric END)::float8 AS cost
  FROM shown s GROUP BY s.kind ORDER BY s.kind
