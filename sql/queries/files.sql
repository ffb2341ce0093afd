-- name: add_file
INSERT INTO files (id, tenant_id, principal_id, name, media_type, bytes, sha256, keep_until)
VALUES (%(id)s, current_tenant(), %(principal)s, %(name)s, %(media_type)s, %(bytes)s, %(sha256)s, now() + make_interval(secs => %(keep_s)s))
RETURNING created_at, keep_until

-- name: files
SELECT f.id, f.name, f.media_type, f.bytes, encode(f.sha256, 'hex') AS sha256, f.created_at, f.keep_until FROM files f
 WHERE f.tenant_id = current_tenant() AND (%(ids)s::text[] IS NULL OR f.id = ANY (%(ids)s))
   AND (%(older_at)s::timestamptz IS NULL OR (f.created_at, f.id) < (%(older_at)s, %(older_id)s))
 ORDER BY f.created_at DESC, f.id DESC LIMIT %(limit)s

-- name: renew_files
-- One that is just being swept is gone, and not among these.
UPDATE files f SET keep_until = greatest(f.keep_until, now() + make_interval(secs => %(keep_s)s))
 WHERE f.tenant_id = current_tenant() AND f.id = ANY (%(ids)s) RETURNING f.id

-- name: delete_file
WITH needed AS MATERIALIZED (
  SELECT j.id FROM jobs j
   WHERE j.tenant_id = current_tenant() AND j.finished_at IS NULL AND strpos(j.args::text, 'upload:' || %(id)s) > 0 LIMIT 1
), scheduled AS MATERIALIZED (
  SELECT x.name FROM schedules x WHERE x.tenant_id = current_tenant() AND strpos(x.job::text, 'upload:' || %(id)s) > 0 LIMIT 1
), gone AS (
  DELETE FROM files f
   WHERE f.tenant_id = current_tenant() AND f.id = %(id)s AND NOT EXISTS (SELECT FROM needed) AND NOT EXISTS (SELECT FROM scheduled)
  RETURNING f.id
)
SELECT (SELECT id FROM gone) AS gone, (SELECT id FROM needed) AS needed_by, (SELECT name FROM scheduled) AS scheduled_by

-- name: file
SELECT f.id, f.name, f.media_type, f.bytes, encode(f.sha256, 'hex') AS sha256, f.created_at, f.keep_until FROM files f
 WHERE f.tenant_id = %(tenant)s AND f.id = %(id)s

-- name: expire_files
-- What a job that has not ended was told of stays, or what a schedule will tell the next of, and is looked at again in a day.
WITH old AS MATERIALIZED (
  SELECT f.id, f.tenant_id, EXISTS (
           SELECT FROM jobs j
            WHERE j.tenant_id = f.tenant_id AND j.finished_at IS NULL AND strpos(j.args::text, 'upload:' || f.id) > 0)
         OR EXISTS (SELECT FROM schedules x WHERE x.tenant_id = f.tenant_id AND strpos(x.job::text, 'upload:' || f.id) > 0) AS is_needed
    FROM files f WHERE f.keep_until < now() ORDER BY f.keep_until LIMIT 100 FOR UPDATE SKIP LOCKED
), renewed AS (
  UPDATE files f SET keep_until = now() + interval '1 day' FROM old WHERE f.id = old.id AND old.is_needed
)
DELETE FROM files f USING old WHERE f.id = old.id AND NOT old.is_needed RETURNING f.tenant_id, f.id

-- name: kept_uploads
SELECT f.id FROM files f WHERE f.id = ANY (%(ids)s)
