-- name: notices
-- Where a person is told, and how that goes.
SELECT n.address, n.wants, n.told_at, n.tries, n.refused, n.next_at, n.stopped_at FROM notice_addresses n
 WHERE n.tenant_id = current_tenant() AND n.person_id = %(person)s

-- name: set_notices
-- No address: the one that is kept. No row: nobody with an address, or no person. A new address begins afresh.
INSERT INTO notice_addresses AS n (tenant_id, person_id, address, wants)
SELECT current_tenant(), p.id, coalesce(%(address)s, kept.address), %(wants)s
  FROM principals p LEFT JOIN notice_addresses kept ON kept.tenant_id = p.tenant_id AND kept.person_id = p.id
 WHERE p.tenant_id = current_tenant() AND p.id = %(person)s AND p.role = 'person' AND coalesce(%(address)s, kept.address) IS NOT NULL
    ON CONFLICT (tenant_id, person_id) DO UPDATE
   SET address = EXCLUDED.address, wants = EXCLUDED.wants, take = n.take + (n.address <> EXCLUDED.address)::int,
       next_at = CASE WHEN n.refused IS NOT NULL THEN now() ELSE n.next_at END, tries = 0, refused = NULL, stopped_at = NULL,
       look_at = now()
RETURNING person_id

-- name: stop_notices
DELETE FROM notice_addresses WHERE tenant_id = current_tenant() AND person_id = %(person)s RETURNING person_id

-- name: test_notices
-- Where to send a test. No row: there is no address, or the last test was just now.
UPDATE notice_addresses SET tested_at = now()
 WHERE tenant_id = current_tenant() AND person_id = %(person)s AND (tested_at IS NULL OR tested_at < now() - interval '10 s') RETURNING address

-- name: tested_notices
-- How the test of an address went; one that was taken puts an end to refusals.
UPDATE notice_addresses
   SET next_at = CASE WHEN %(refused)s::text IS NULL AND refused IS NOT NULL THEN now() ELSE next_at END,
       tries = CASE WHEN %(refused)s::text IS NULL THEN 0 ELSE tries END,
       stopped_at = CASE WHEN %(refused)s::text IS NOT NULL THEN stopped_at END, refused = %(refused)s
 WHERE tenant_id = current_tenant() AND person_id = %(person)s AND address = %(address)s RETURNING person_id
