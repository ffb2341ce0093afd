-- name: feeds
SELECT f.address, f.etag, f.last_modified FROM feeds f WHERE f.tenant_id = current_tenant() ORDER BY f.address

-- name: keep_feed
INSERT INTO feeds (tenant_id, address, etag, last_modified, read_at)
VALUES (current_tenant(), %(address)s, %(etag)s, %(last_modified)s, now())
    ON CONFLICT (tenant_id, address) DO UPDATE SET etag = EXCLUDED.etag, last_modified = EXCLUDED.last_modified, read_at = now()
RETURNING address

-- name: forget_feed
DELETE FROM feeds f WHERE f.tenant_id = current_tenant() AND f.address = %(address)s RETURNING f.address

-- name: known_pages
-- Which of these addresses led to a page before, and to which edition of it.
SELECT a.hash, p.etag, p.last_modified, p.batch IS NOT NULL AS is_taken
  FROM page_addresses a JOIN pages p ON p.tenant_id = a.tenant_id AND p.id = a.page_id
 WHERE a.tenant_id = current_tenant() AND a.hash = ANY(%(hashes)s)

-- name: keep_page
-- A page that any of its addresses has led to before is that page: newer words replace its own until it is handed on.
WITH known AS MATERIALIZED (
  SELECT a.page_id FROM page_addresses a WHERE a.tenant_id = current_tenant() AND a.hash = ANY(%(hashes)s) ORDER BY a.page_id LIMIT 1
), changed AS (
  UPDATE pages p SET title = %(title)s, author = %(author)s, published = %(published)s, content = %(content)s,
         etag = %(etag)s, last_modified = %(last_modified)s
   WHERE p.tenant_id = current_tenant() AND p.id = (SELECT page_id FROM known) AND p.batch IS NULL
), made AS (
  INSERT INTO pages (tenant_id, hash, address, title, author, published, content, etag, last_modified)
  SELECT current_tenant(), %(hash)s, %(address)s, %(title)s, %(author)s, %(published)s, %(content)s, %(etag)s, %(last_modified)s
   WHERE NOT EXISTS (SELECT FROM known)
      ON CONFLICT (tenant_id, hash) DO UPDATE SET address = pages.address
  RETURNING id, xmax = 0 AS is_new
), named AS (
  INSERT INTO page_addresses (tenant_id, hash, page_id)
  SELECT current_tenant(), address, coalesce((SELECT id FROM made), (SELECT page_id FROM known))
    FROM unnest(%(hashes)s::bytea[]) AS address ORDER BY address
      ON CONFLICT (tenant_id, hash) DO NOTHING
)
SELECT coalesce((SELECT is_new FROM made), false) AS is_new

-- name: new_pages
-- Those that nobody took yet, in the order in which they came.
SELECT p.id, p.address, p.title, p.author, p.published, p.content FROM pages p
 WHERE p.tenant_id = current_tenant() AND p.job_id IS NULL AND p.batch IS NULL ORDER BY p.id LIMIT %(limit)s

-- name: take_pages
-- Of those that two want at once, each gets its own.
WITH wanted AS MATERIALIZED (
  SELECT p.id, r.request FROM jsonb_to_recordset(%(requests)s) AS r (id bigint, request jsonb) JOIN pages p ON p.id = r.id
   WHERE p.tenant_id = current_tenant() AND p.batch IS NULL ORDER BY p.id FOR UPDATE OF p
)
UPDATE pages p SET batch = %(batch)s, request = w.request FROM wanted w
 WHERE p.tenant_id = current_tenant() AND p.id = w.id RETURNING p.id

-- name: taken_pages
-- Those that were taken and have no job yet: somebody is at it, or was stopped there.
SELECT p.id, p.batch, p.request FROM pages p
 WHERE p.tenant_id = current_tenant() AND p.job_id IS NULL AND p.batch IS NOT NULL ORDER BY p.batch, p.id

-- name: hand_on_pages
-- From here on the job has the words; the page is kept so that it is not handed on again.
UPDATE pages p SET job_id = r.job, content = '', request = '{}' FROM jsonb_to_recordset(%(made)s) AS r (id bigint, job text)
 WHERE p.tenant_id = current_tenant() AND p.id = r.id AND p.batch = %(batch)s RETURNING p.id

-- name: give_back_pages
UPDATE pages p SET batch = NULL, request = NULL WHERE p.tenant_id = current_tenant() AND p.batch = %(batch)s AND p.job_id IS NULL RETURNING p.id
