-- name: webhooks
-- The tenant's endpoints, each with how its deliveries stand.
SELECT e.id, e.url, e.events, e.of_jobs, e.created_at, e.disabled_at, e.disabled_because, d.waiting, d.given_up, l.last_answer, l.tried_at
  FROM webhook_endpoints e
       CROSS JOIN LATERAL (
         SELECT count(*) FILTER (WHERE d.next_at IS NOT NULL) AS waiting, count(*) FILTER (WHERE d.next_at IS NULL) AS given_up
           FROM webhook_deliveries d WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id AND d.delivered_at IS NULL) AS d
       LEFT JOIN LATERAL (
         SELECT t.last_answer, t.tried_at FROM webhook_deliveries t
          WHERE t.tenant_id = e.tenant_id AND t.endpoint_id = e.id AND t.last_answer IS NOT NULL ORDER BY t.tried_at DESC LIMIT 1) AS l ON true
 WHERE e.tenant_id = current_tenant() AND (%(id)s::bigint IS NULL OR e.id = %(id)s) ORDER BY e.of_jobs, e.id LIMIT 1000

-- name: add_webhook
-- No row: this address is registered already.
INSERT INTO webhook_endpoints AS e (tenant_id, url, secret, events) VALUES (current_tenant(), %(url)s, %(secret)s, %(events)s)
    ON CONFLICT (tenant_id, url) DO UPDATE
       SET of_jobs = false, secret = EXCLUDED.secret, events = EXCLUDED.events, disabled_at = NULL, disabled_because = NULL WHERE e.of_jobs
RETURNING id

-- name: change_webhook
-- What is null stays. Switched off it is told nothing any more, not even what waits.
WITH changed AS (
  UPDATE webhook_endpoints e
     SET events = coalesce(%(events)s, e.events), of_jobs = e.of_jobs AND %(events)s::text[] IS NULL,
         disabled_at = CASE WHEN %(enabled)s THEN NULL WHEN NOT %(enabled)s THEN coalesce(e.disabled_at, now()) ELSE e.disabled_at END,
         disabled_because = CASE WHEN %(enabled)s IS NULL THEN e.disabled_because WHEN NOT %(enabled)s THEN 'It was switched off.' END
   WHERE e.tenant_id = current_tenant() AND e.id = %(id)s RETURNING e.id, e.disabled_at
), dropped AS (
  UPDATE webhook_deliveries d SET next_at = NULL FROM changed c
   WHERE d.tenant_id = current_tenant() AND d.endpoint_id = c.id AND c.disabled_at IS NOT NULL AND d.next_at IS NOT NULL
)
SELECT c.id FROM changed c

-- name: delete_webhook
DELETE FROM webhook_endpoints e WHERE e.tenant_id = current_tenant() AND e.id = %(id)s RETURNING e.id

-- name: rotate_webhook
UPDATE webhook_endpoints e SET old_secret = e.secret, old_secret_until = now() + interval '1 day', secret = %(secret)s
 WHERE e.tenant_id = current_tenant() AND e.id = %(id)s RETURNING e.id

-- name: deliveries
SELECT d.id, d.job_id AS job, d.type, d.tries, d.created_at, d.tried_at, d.next_at, d.delivered_at, d.last_answer FROM webhook_deliveries d
 WHERE d.tenant_id = current_tenant() AND d.endpoint_id = %(endpoint)s ORDER BY d.created_at DESC, d.id LIMIT %(limit)s

-- name: retry_delivery
-- At once, under the same id, also where it was delivered; the pauses after it begin anew.
UPDATE webhook_deliveries d SET next_at = now(), delivered_at = NULL, tries = 0
 WHERE d.tenant_id = current_tenant() AND d.endpoint_id = %(endpoint)s AND d.id = %(id)s RETURNING d.id

-- name: take_deliveries
-- What is due, of each endpoint only a few and of busy ones none, for so long this sender's alone.
WITH soon AS MATERIALIZED (
  SELECT d.endpoint_id FROM webhook_deliveries d
   WHERE d.delivered_at IS NULL AND d.next_at <= now() AND d.endpoint_id <> ALL (%(busy)s) ORDER BY d.next_at LIMIT 500
), due AS MATERIALIZED (
  SELECT d.id FROM (SELECT DISTINCT s.endpoint_id FROM soon s) AS e
         CROSS JOIN LATERAL (
           SELECT o.id FROM webhook_deliveries o WHERE o.endpoint_id = e.endpoint_id AND o.delivered_at IS NULL AND o.next_at <= now()
            ORDER BY o.next_at LIMIT %(each)s FOR UPDATE SKIP LOCKED) AS d
   LIMIT %(most)s
)
UPDATE webhook_deliveries d SET tries = d.tries + 1, tried_at = now(), next_at = now() + make_interval(secs => %(lease_s)s)
  FROM due, webhook_endpoints e WHERE d.id = due.id AND e.tenant_id = d.tenant_id AND e.id = d.endpoint_id
RETURNING d.id, d.endpoint_id AS endpoint, d.job_id AS job, d.type, d.body, d.created_at, d.tries, e.url, e.secret,
          CASE WHEN e.old_secret_until > now() THEN e.old_secret END AS old_secret

-- name: settle_delivery
-- How one try ended: delivered, to be tried again, or (neither) given up. Nothing where it is not this try's any more.
UPDATE webhook_deliveries d
   SET delivered_at = CASE WHEN %(delivered)s THEN now() END, last_answer = %(answer)s,
       next_at = CASE WHEN NOT %(delivered)s THEN now() + make_interval(secs => %(again_s)s) END
 WHERE d.id = %(id)s AND d.tries = %(tries)s AND d.delivered_at IS NULL AND d.next_at IS NOT NULL RETURNING d.id

-- name: disable_webhook
WITH gone AS (
  UPDATE webhook_endpoints e SET disabled_at = now(), disabled_because = %(because)s WHERE e.id = %(endpoint)s AND e.disabled_at IS NULL RETURNING e.id
)
UPDATE webhook_deliveries d SET next_at = NULL FROM gone g WHERE d.endpoint_id = g.id AND d.delivered_at IS NULL AND d.next_at IS NOT NULL
RETURNING d.id

-- name: forget_deliveries
DELETE FROM webhook_deliveries d WHERE d.created_at < now() - interval '30 days' AND (d.delivered_at IS NOT NULL OR d.next_at IS NULL) RETURNING d.id

-- name: forget_named
-- Jobs that have ended need their address no longer.
DELETE FROM job_webhooks w USING jobs j WHERE j.tenant_id = w.tenant_id AND j.id = w.job_id AND j.finished_at < now() - interval '1 day' RETURNING j.id

-- name: forget_webhooks
DELETE FROM webhook_endpoints e
 WHERE e.of_jobs AND e.named_at < now() - interval '1 day' AND NOT EXISTS (SELECT FROM job_webhooks w WHERE w.tenant_id = e.tenant_id AND w.endpoint_id = e.id)
   AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id)
RETURNING e.id
