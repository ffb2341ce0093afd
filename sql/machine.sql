-- The machine: every verb that moves a job, one function each, for a batch of jobs. `migrate` applies this file
-- whole whenever it differs from what is in force; so a verb takes one jsonb, and its signature never changes. Each is
-- replaced and not dropped: a call that is under way would look for a function that is gone.
-- Arrows are drawn in agent_tools/jobs/job.py (TRANSITIONS); what a function does not return has not moved.

-- 13 characters of lower-case Crockford base32: 5 of time (minutes since 2026), 8 random. Short enough for a model
-- to copy, in order enough for an index; create_jobs tries again on the collision that will come one day.
CREATE OR REPLACE FUNCTION new_job_id() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  alphabet constant text := '0123456789abcdefghjkmnpqrstvwxyz';
  bytes constant bytea := uuid_send(gen_random_uuid());
  bits bigint := floor(extract(epoch FROM now() - timestamptz '2026-01-01 00:00+00') / 60)::bigint & 33554431;
  made text := '';
BEGIN
  FOR i IN 0..4 LOOP
    made := substr(alphabet, (bits & 31)::int + 1, 1) || made;
    bits := bits >> 5;
  END LOOP;
  FOR i IN 0..4 LOOP
    bits := (bits << 8) | get_byte(bytes, i);
  END LOOP;
  FOR i IN 1..8 LOOP
    made := made || substr(alphabet, (bits & 31)::int + 1, 1);
    bits := bits >> 5;
  END LOOP;
  RETURN made;
END $$;

-- Exponential with full jitter on its upper half: about 5 s, 10 s, 20 s … at most 10 min.
CREATE OR REPLACE FUNCTION backoff(errors int) RETURNS interval LANGUAGE sql VOLATILE
  RETURN make_interval(secs => least(5 * power(2, errors - 1), 600) * (0.5 + random() / 2));

-- Locks these jobs, and with them those that come after them, in the one order in which everybody locks: an end and a
-- cancel of what hangs on it must not wait for each other.
CREATE OR REPLACE FUNCTION lock_with_dependants(meant text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  dependants constant text[] := ARRAY(SELECT l.job_id FROM job_links l WHERE l.after_id = ANY (meant));
BEGIN
  IF cardinality(dependants) > 0 THEN
    PERFORM FROM jobs j WHERE j.id = ANY (meant || dependants) ORDER BY j.id FOR UPDATE;
  END IF;
END $$;

-- Whoever waits for jobs that have ended is to be looked at. A statement of its own after the one that ended them: a job
-- that was created meanwhile to come after one of them had its lock, and only a new snapshot sees it.
CREATE OR REPLACE FUNCTION look_at_dependants(ended text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  dependants constant text[] := ARRAY(SELECT l.job_id FROM job_links l WHERE l.after_id = ANY (ended));
BEGIN
  IF cardinality(dependants) > 0 THEN
    WITH waiting AS MATERIALIZED (
      SELECT j.id FROM jobs j WHERE j.id = ANY (dependants) AND j.status = 'waiting' AND j.waiting_for = 'jobs' ORDER BY j.id FOR NO KEY UPDATE
    )
    UPDATE jobs j SET look_at = now() FROM waiting w WHERE j.id = w.id;
  END IF;
END $$;

-- The questions of jobs that have ended are asked no longer.
CREATE OR REPLACE FUNCTION withdraw_asks(ended text[]) RETURNS void LANGUAGE sql AS $$
  UPDATE asks a SET withdrawn_at = now() FROM jobs j
   WHERE j.id = ANY (ended) AND j.waiting_on IS NOT NULL AND a.tenant_id = j.tenant_id AND a.job_id = j.id
     AND a.answered_at IS NULL AND a.withdrawn_at IS NULL
$$;

-- What a webhook is told of a job that has ended. Nothing large: what is not in it is read at the job.
CREATE OR REPLACE FUNCTION webhook_body(j jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_strip_nulls(jsonb_build_object(
           'job_id', j.id, 'kind', j.kind, 'title', nullif(j.title, ''), 'status', j.status, 'result_line', j.result_line, 'decision', j.decision,
           'error', j.error, 'subject', (SELECT s.name FROM subjects s WHERE s.tenant_id = j.tenant_id AND s.id = j.subject_id),
           'labels', nullif(j.labels, '{}'), 'batch_id', j.batch_id, 'redo_of', j.redo_of, 'attempt', nullif(j.attempt, 0),
           'created_at', j.created_at, 'started_at', j.started_at, 'finished_at', j.finished_at,
           'artifacts', (SELECT jsonb_agg(jsonb_build_object('name', a.name, 'media_type', a.media_type, 'bytes', a.bytes) ORDER BY a.position)
                           FROM artifacts a WHERE a.tenant_id = j.tenant_id AND a.job_id = j.id AND a.position < 20)))
         || CASE WHEN j.result IS NOT NULL AND length(j.result::text) <= 8000 THEN jsonb_build_object('result', j.result - 'redo') ELSE '{}' END
$$;

-- Of these jobs, those that have just ended: written down for every endpoint that listens to such ends, and for those that
-- the job names. With the end itself, so that neither is without the other.
CREATE OR REPLACE FUNCTION tell_webhooks(ended text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM webhook_endpoints) THEN
    RETURN;
  END IF;
  INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, job_id, type, body)
  SELECT 'msg_' || replace(gen_random_uuid()::text, '-', ''), j.tenant_id, e.id, j.id, 'job.' || j.status, webhook_body(j)
    FROM jobs j
         CROSS JOIN LATERAL (
           SELECT l.id FROM webhook_endpoints l
            WHERE l.tenant_id = j.tenant_id AND l.events <> '{}' AND l.disabled_at IS NULL AND 'job.' || j.status = ANY (l.events)
            UNION
           SELECT n.id FROM job_webhooks w JOIN webhook_endpoints n ON n.tenant_id = w.tenant_id AND n.id = w.endpoint_id
            WHERE w.tenant_id = j.tenant_id AND w.job_id = j.id AND n.disabled_at IS NULL) AS e
   WHERE j.id = ANY (ended) AND j.finished_at = now()
      ON CONFLICT DO NOTHING;
END $$;

-- ------------------------------------------------------------------------------------------------ the door's verbs

-- → queued, or waiting where it comes `after` others: ids, or places in the same batch. Gives every asked position its
-- job: a new one, or the one that it is the same as. A repeated idempotency key is the same job if the request is the
-- same, else BB001; a redo of what has not ended is BB002, a job to come after one that is not there BB004.
CREATE OR REPLACE FUNCTION create_jobs(batch jsonb)
  RETURNS TABLE (place int, id text, created boolean, dispatch int, queue text, priority smallint)
  LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  the_tenant constant bigint := (batch ->> 'tenant')::bigint;
  the_principal constant bigint := (batch ->> 'principal')::bigint;
  guard constant interval := make_interval(secs => (batch ->> 'guard_s')::float8);
  the_batch text;
  parents text[];
  clashing text;
  constraint_hit text;
BEGIN
  PERFORM set_config('app.tenant', batch ->> 'tenant', true);

  -- Two creates of the same thing at once: the second waits here until the first can be seen.
  IF jsonb_path_exists(batch, '$.jobs[*].again ? (@ == false)') THEN
    PERFORM pg_advisory_xact_lock(locks.key)
       FROM (SELECT DISTINCT hashtextextended(format('%s/%s', the_tenant, the_principal), 0) # (('x' || left(j ->> 'args_hash', 3))::bit(12)::bigint) AS key
               FROM jsonb_array_elements(batch -> 'jobs') AS j
              WHERE j ->> 'idempotency_key' IS NULL AND NOT (j ->> 'again')::boolean ORDER BY 1) AS locks;
  END IF;

  IF jsonb_path_exists(batch, '$.jobs[*].subject ? (@ != null)') THEN
    INSERT INTO subjects (tenant_id, name, folded)
    SELECT DISTINCT ON (j ->> 'subject_folded') the_tenant, j ->> 'subject', j ->> 'subject_folded'
      FROM jsonb_array_elements(batch -> 'jobs') AS j WHERE j ->> 'subject' IS NOT NULL
        ON CONFLICT (tenant_id, folded) DO NOTHING;
  END IF;

  IF jsonb_path_exists(batch, '$.jobs[*].redo_of ? (@ != null)') THEN
    SELECT string_agg(j ->> 'redo_of', ', ') INTO clashing
      FROM jsonb_array_elements(batch -> 'jobs') AS j
     WHERE j ->> 'redo_of' IS NOT NULL
       AND NOT EXISTS (SELECT FROM jobs old WHERE old.tenant_id = the_tenant AND old.id = j ->> 'redo_of' AND old.finished_at IS NOT NULL);
    IF clashing IS NOT NULL THEN
      RAISE EXCEPTION 'not ended: %', clashing USING ERRCODE = 'BB002', DETAIL = clashing;
    END IF;
  END IF;

  parents := ARRAY(SELECT DISTINCT jsonb_path_query(batch, '$.jobs[*].after[*] ? (@.type() == "string")') #>> '{}');
  IF cardinality(parents) > 0 THEN
    -- Until this is kept, none of them ends: an end looks for whoever waits for it. Together with the jobs whose keys may
    -- be repeated here, so that locks are taken in the one order.
    PERFORM FROM jobs j
      WHERE j.tenant_id = the_tenant
        AND j.id = ANY (parents || ARRAY(
              SELECT k.id FROM jsonb_array_elements(batch -> 'jobs') AS e
                     JOIN jobs k ON k.tenant_id = the_tenant AND k.principal_id = the_principal AND k.idempotency_key = e ->> 'idempotency_key'))
      ORDER BY j.id FOR KEY SHARE;
    SELECT string_agg(wanted, ', ' ORDER BY wanted) INTO clashing FROM unnest(parents) AS wanted
     WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.tenant_id = the_tenant AND j.id = wanted);
    IF clashing IS NOT NULL THEN
      RAISE EXCEPTION 'no such job: %', clashing USING ERRCODE = 'BB004', DETAIL = clashing;
    END IF;
  END IF;

  LOOP
    BEGIN
      IF (batch ->> 'is_batch')::boolean THEN
        the_batch := new_job_id();
      END IF;
      RETURN QUERY
      WITH asked AS MATERIALIZED (
        SELECT e.ordinality::int - 1 AS place, new_job_id() AS id, decode(r.args_hash, 'hex') AS same_as, r.*
          FROM jsonb_array_elements(batch -> 'jobs') WITH ORDINALITY AS e (job, ordinality),
               jsonb_to_record(e.job) AS r (kind text, queue text, title text, args jsonb, subject_folded text, labels jsonb,
                 priority smallint, run_after timestamptz, redo_of text, idempotency_key text, request_hash text,
                 args_hash text, again boolean, anew boolean, after jsonb, if_parent_fails text)
      ), same AS MATERIALIZED (
        -- One look into jobs_same per job. The hash is decoded above: under row-level security a condition that calls
        -- decode() on the way may not use an index, and every job of the tenant would be read.
        SELECT a.place, old.* FROM asked a CROSS JOIN LATERAL (
          SELECT j.id, j.dispatch, j.queue, j.priority FROM jobs j
           WHERE j.tenant_id = the_tenant AND j.principal_id = the_principal AND j.args_hash = a.same_as
             AND j.status IN ('queued', 'running', 'waiting', 'completed')
             AND (j.finished_at IS NULL OR a.anew IS NOT TRUE AND j.finished_at > now() - guard)
           ORDER BY j.created_at DESC LIMIT 1) AS old
         WHERE a.idempotency_key IS NULL AND NOT a.again
      ), made AS (
        INSERT INTO jobs AS j (id, tenant_id, principal_id, kind, queue, title, args, subject_id, labels, priority, run_after, redo_of,
                               batch_id, idempotency_key, request_hash, args_hash, status, waiting_for, waiting_since, look_at, rung_at, dispatch)
        SELECT a.id, the_tenant, the_principal, a.kind, a.queue, a.title, a.args, s.id, a.labels, a.priority, coalesce(a.run_after, now()),
               a.redo_of, the_batch, a.idempotency_key, decode(a.request_hash, 'hex'), a.same_as,
               CASE WHEN a.after IS NULL THEN 'queued' ELSE 'waiting' END, CASE WHEN a.after IS NOT NULL THEN 'jobs' END,
               CASE WHEN a.after IS NOT NULL THEN now() END, CASE WHEN a.after IS NOT NULL THEN now() END,
               CASE WHEN a.after IS NULL AND (a.run_after IS NULL OR a.run_after <= now()) THEN now() END,
               CASE WHEN a.after IS NULL AND (a.run_after IS NULL OR a.run_after <= now()) THEN 1 ELSE 0 END
          FROM asked a LEFT JOIN subjects s ON s.tenant_id = the_tenant AND s.folded = a.subject_folded
         WHERE NOT EXISTS (SELECT FROM same WHERE same.place = a.place)
           AND NOT EXISTS (SELECT FROM asked b WHERE b.idempotency_key = a.idempotency_key AND b.place < a.place)
            ON CONFLICT (tenant_id, principal_id, idempotency_key) WHERE idempotency_key IS NOT NULL
            DO UPDATE SET idempotency_key = EXCLUDED.idempotency_key
        RETURNING j.id, j.idempotency_key, j.request_hash, j.dispatch, j.queue, j.priority, j.redo_of, xmax = 0 AS created
      ), told AS (
        INSERT INTO job_events (tenant_id, job_id, principal_id, type) SELECT the_tenant, m.id, the_principal, 'created' FROM made m WHERE m.created
      ), taken_over AS (
        INSERT INTO job_steps (tenant_id, job_id, name, args_hash, reuse, value, took_s, recorded_at)
        SELECT the_tenant, m.id, s.name, s.args_hash, s.reuse, s.value, s.took_s, s.recorded_at
          FROM made m JOIN job_steps s ON s.tenant_id = the_tenant AND s.job_id = m.redo_of WHERE m.created
      ), placed AS MATERIALIZED (
        SELECT a.place, m.id, true AS created, m.dispatch, m.queue, m.priority FROM asked a JOIN made m ON m.id = a.id
        UNION ALL
        SELECT a.place, m.id, false, m.dispatch, m.queue, m.priority FROM asked a JOIN made m ON m.idempotency_key = a.idempotency_key
         WHERE m.id <> a.id AND refuse_other_request(m.request_hash, a.request_hash, a.idempotency_key)
        UNION ALL
        SELECT s.place, s.id, false, s.dispatch, s.queue, s.priority FROM same s
      ), linked AS (
        INSERT INTO job_links (tenant_id, job_id, after_id, if_parent_fails)
        SELECT the_tenant, m.id, coalesce(parent.id, wanted.value #>> '{}'), a.if_parent_fails
          FROM asked a JOIN made m ON m.id = a.id AND m.created
               CROSS JOIN LATERAL jsonb_array_elements(a.after) AS wanted (value)
               LEFT JOIN placed parent ON parent.place = CASE WHEN jsonb_typeof(wanted.value) = 'number' THEN wanted.value::int END
            ON CONFLICT DO NOTHING
      )
      SELECT p.place, p.id, p.created, p.dispatch, p.queue, p.priority FROM placed p ORDER BY 1;
      RETURN;
    EXCEPTION WHEN unique_violation THEN
      GET STACKED DIAGNOSTICS constraint_hit = CONSTRAINT_NAME;
      IF constraint_hit <> 'jobs_pkey' THEN
        RAISE;
      END IF;
    END;
  END LOOP;
END $$;

-- True, or the end of the whole batch: a key stands for one request.
CREATE OR REPLACE FUNCTION refuse_other_request(kept bytea, sent text, key text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF kept IS DISTINCT FROM decode(sent, 'hex') THEN
    RAISE EXCEPTION 'idempotency key used for another request: %', key USING ERRCODE = 'BB001', DETAIL = key;
  END IF;
  RETURN true;
END $$;

-- queued, running, waiting → cancelled. Gives the fence under which a worker may be running it.
CREATE OR REPLACE FUNCTION cancel_jobs(batch jsonb) RETURNS TABLE (id text, fence bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  meant constant text[] := ARRAY(SELECT jsonb_array_elements_text(batch -> 'jobs'));
BEGIN
  PERFORM set_config('app.tenant', batch ->> 'tenant', true);
  PERFORM lock_with_dependants(meant);
  RETURN QUERY
  WITH wanted AS MATERIALIZED (
    SELECT j.id, j.status FROM jobs j
     WHERE j.tenant_id = (batch ->> 'tenant')::bigint AND j.id = ANY (meant)
       AND j.status IN ('queued', 'running', 'waiting') ORDER BY j.id FOR UPDATE
  ), cancelled AS (
    UPDATE jobs j SET status = 'cancelled', waiting_for = NULL, look_at = NULL, lease_until = NULL, deadline_at = NULL, worker_id = NULL,
           finished_at = now(), keep_until = now() + interval '30 days', version = j.version + 1
      FROM wanted WHERE j.id = wanted.id
    RETURNING j.id, j.tenant_id, j.fence, wanted.status AS was
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, principal_id, type, data)
    SELECT c.tenant_id, c.id, (batch ->> 'principal')::bigint, 'cancelled', jsonb_strip_nulls(jsonb_build_object('reason', batch ->> 'reason', 'was', c.was))
      FROM cancelled c
  )
  SELECT c.id, CASE WHEN c.was = 'running' THEN c.fence END FROM cancelled c;
  PERFORM withdraw_asks(ARRAY(SELECT j.id FROM jobs j WHERE j.id = ANY (meant) AND j.status = 'cancelled'));
  PERFORM look_at_dependants(meant);
  PERFORM tell_webhooks(meant);
END $$;

-- Any status: an address is told of the end of these jobs; at once of those that have ended.
CREATE OR REPLACE FUNCTION call_webhooks(batch jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  the_tenant constant bigint := (batch ->> 'tenant')::bigint;
BEGIN
  PERFORM set_config('app.tenant', batch ->> 'tenant', true);
  INSERT INTO webhook_endpoints AS e (tenant_id, url, secret, of_jobs, named_at)
  SELECT DISTINCT ON (w.url) the_tenant, w.url, w.secret, true, now() FROM jsonb_to_recordset(batch -> 'webhooks') AS w (url text, secret text)
      ON CONFLICT (tenant_id, url) DO UPDATE
         SET named_at = now(), disabled_at = CASE WHEN NOT e.of_jobs THEN e.disabled_at END,
             disabled_because = CASE WHEN NOT e.of_jobs THEN e.disabled_because END;
  INSERT INTO job_webhooks (tenant_id, job_id, endpoint_id)
  SELECT DISTINCT the_tenant, j.id, e.id
    FROM jsonb_to_recordset(batch -> 'webhooks') AS w (job text, url text)
         JOIN jobs j ON j.tenant_id = the_tenant AND j.id = w.job JOIN webhook_endpoints e ON e.tenant_id = the_tenant AND e.url = w.url
      ON CONFLICT DO NOTHING;
  -- The foreign key has waited for whoever was just ending such a job: only a statement of its own sees that end.
  INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, job_id, type, body)
  SELECT DISTINCT ON (j.id, e.id) 'msg_' || replace(gen_random_uuid()::text, '-', ''), the_tenant, e.id, j.id, 'job.' || j.status, webhook_body(j)
    FROM jsonb_to_recordset(batch -> 'webhooks') AS w (job text, url text)
         JOIN jobs j ON j.tenant_id = the_tenant AND j.id = w.job JOIN webhook_endpoints e ON e.tenant_id = the_tenant AND e.url = w.url
   WHERE j.finished_at IS NOT NULL AND e.disabled_at IS NULL
      ON CONFLICT DO NOTHING;
END $$;

-- Questions: open → answered, once; and the jobs that are parked for them waiting → queued, to be rung by the caller. Each
-- for itself: `outcome` is answered · taken (who was first, when, with what) · changed (something else is shown now) ·
-- expired · ended · own (the asker may not answer itself) · theirs (it is put to somebody else who is here) · gone (no such
-- question here).
CREATE OR REPLACE FUNCTION answer_asks(batch jsonb)
  RETURNS TABLE (place int, outcome text, ask bigint, job text, by_name text, at timestamptz, answer jsonb, dispatch int, queue text, priority smallint)
  LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  the_tenant constant bigint := (batch ->> 'tenant')::bigint;
  the_principal constant bigint := (batch ->> 'principal')::bigint;
  given record;
BEGIN
  PERFORM set_config('app.tenant', batch ->> 'tenant', true);
  PERFORM FROM jobs j
    WHERE j.tenant_id = the_tenant
      AND j.id IN (SELECT a.job_id FROM jsonb_array_elements(batch -> 'answers') AS e JOIN asks a ON a.tenant_id = the_tenant AND a.id = (e ->> 'ask')::bigint)
    ORDER BY j.id FOR UPDATE;
  -- A statement each, and so a snapshot from after the locks: what was decided meanwhile is seen.
  FOR given IN SELECT e.ordinality::int - 1 AS place, r.* FROM jsonb_array_elements(batch -> 'answers') WITH ORDINALITY AS e (answer, ordinality),
                      jsonb_to_record(e.answer) AS r (ask bigint, answer jsonb, shown_hash text) ORDER BY 1 LOOP
    RETURN QUERY
    WITH meant AS MATERIALIZED (
      SELECT a.id, a.job_id, a.name, a.answered_at, a.answered_by, a.answer,
             CASE WHEN a.answered_at IS NOT NULL THEN 'taken'
                  WHEN a.deadline_at <= now() THEN 'expired'
                  WHEN a.withdrawn_at IS NOT NULL AND EXISTS (
                    SELECT FROM asks o WHERE o.tenant_id = a.tenant_id AND o.job_id = a.job_id AND o.name = a.name AND o.id <> a.id AND o.withdrawn_at IS NULL)
                    THEN 'changed'
                  WHEN a.withdrawn_at IS NOT NULL OR j.finished_at IS NOT NULL THEN 'ended'
                  WHEN encode(a.shown_hash, 'hex') <> given.shown_hash THEN 'changed'
                  WHEN j.principal_id = the_principal AND NOT (batch ->> 'own')::boolean THEN 'own'
                  WHEN NOT coalesce((batch ->> 'for_others')::boolean, false) AND EXISTS (
                    SELECT FROM principals o WHERE o.tenant_id = a.tenant_id AND o.role = 'person' AND lower(o.name) = lower(a.for_person))
                    AND NOT EXISTS (
                    SELECT FROM principals me WHERE me.tenant_id = a.tenant_id AND me.id = the_principal AND lower(me.name) = lower(a.for_person))
                    THEN 'theirs'
                  ELSE 'answered' END AS outcome
        FROM asks a JOIN jobs j ON j.tenant_id = a.tenant_id AND j.id = a.job_id
       WHERE a.tenant_id = the_tenant AND a.id = given.ask
    ), written AS (
      UPDATE asks a SET answer = given.answer, answered_at = now(), answered_by = the_principal
        FROM meant m WHERE a.tenant_id = the_tenant AND a.id = m.id AND m.outcome = 'answered'
      RETURNING a.id, a.job_id, a.name, a.answered_at, a.answered_by, a.answer
    ), woken AS (
      UPDATE jobs j
         SET version = j.version + 1, status = CASE WHEN parked.here THEN 'queued' ELSE j.status END,
             waiting_for = CASE WHEN NOT parked.here THEN j.waiting_for END, look_at = CASE WHEN NOT parked.here THEN j.look_at END,
             run_after = CASE WHEN parked.here THEN now() ELSE j.run_after END,
             rung_at = CASE WHEN parked.here THEN now() ELSE j.rung_at END, dispatch = j.dispatch + parked.here::int
        FROM (SELECT w.job_id, coalesce(p.status = 'waiting' AND p.waiting_for = 'person' AND p.waiting_on = w.name, false) AS here
                FROM written w JOIN jobs p ON p.tenant_id = the_tenant AND p.id = w.job_id) AS parked
       WHERE j.tenant_id = the_tenant AND j.id = parked.job_id
      RETURNING j.id, CASE WHEN parked.here THEN j.dispatch END AS dispatch, j.queue, j.priority
    ), told AS (
      INSERT INTO job_events (tenant_id, job_id, principal_id, type, data)
      SELECT the_tenant, w.job_id, the_principal, 'answered', jsonb_build_object('ask', w.id, 'name', w.name, 'decision', w.answer -> 'decision')
        FROM written w
    )
    SELECT given.place, coalesce(m.outcome, 'gone'), given.ask, m.job_id, p.name, coalesce(w.answered_at, m.answered_at),
           coalesce(w.answer, m.answer), k.dispatch, k.queue, k.priority
      FROM (SELECT) AS always LEFT JOIN meant m ON true LEFT JOIN written w ON true LEFT JOIN woken k ON true
           LEFT JOIN principals p ON p.tenant_id = the_tenant AND p.id = coalesce(w.answered_by, m.answered_by);
  END LOOP;
END $$;

-- Any status. Sets what is named in `set`: subject (null: unorganised), title, labels. Gives what changed, and from what.
-- A move to another subject is kept in `moves`, to be undone.
CREATE OR REPLACE FUNCTION organise_jobs(batch jsonb) RETURNS TABLE (id text, was_subject text, move_id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  the_tenant constant bigint := (batch ->> 'tenant')::bigint;
  to_set constant jsonb := batch -> 'set';
  new_subject bigint;
BEGIN
  PERFORM set_config('app.tenant', batch ->> 'tenant', true);
  IF to_set ->> 'subject' IS NOT NULL THEN
    INSERT INTO subjects (tenant_id, name, folded) VALUES (the_tenant, to_set ->> 'subject', to_set ->> 'subject_folded')
        ON CONFLICT (tenant_id, folded) DO UPDATE SET name = subjects.name RETURNING subjects.id INTO new_subject;
  END IF;
  RETURN QUERY
  WITH wanted AS MATERIALIZED (
    SELECT j.id, j.title, j.labels, j.subject_id, s.name AS subject
      FROM jobs j LEFT JOIN subjects s ON s.tenant_id = j.tenant_id AND s.id = j.subject_id
     WHERE j.tenant_id = the_tenant AND j.id = ANY (SELECT jsonb_array_elements_text(batch -> 'jobs'))
     ORDER BY j.id FOR UPDATE OF j
  ), organised AS (
    UPDATE jobs j SET version = j.version + 1,
           subject_id = CASE WHEN to_set ? 'subject' THEN new_subject ELSE j.subject_id END,
           unfiled_at = CASE WHEN to_set ? 'subject' AND new_subject IS NULL AND j.subject_id IS NOT NULL THEN now() ELSE j.unfiled_at END,
           title = coalesce(to_set ->> 'title', j.title),
           labels = coalesce(to_set -> 'labels', j.labels)
      FROM wanted w
     WHERE j.id = w.id AND (j.subject_id, j.title, j.labels) IS DISTINCT FROM
           (CASE WHEN to_set ? 'subject' THEN new_subject ELSE j.subject_id END, coalesce(to_set ->> 'title', j.title), coalesce(to_set -> 'labels', j.labels))
    RETURNING j.id, w.subject, w.subject_id, w.title, w.labels
  ), moved AS (
    INSERT INTO moves (tenant_id, principal_id, to_subject_id, jobs)
    SELECT the_tenant, (batch ->> 'principal')::bigint, new_subject, jsonb_agg(jsonb_build_object('id', o.id, 'from', o.subject_id))
      FROM organised o HAVING count(*) > 0 AND to_set ? 'subject'
    RETURNING moves.id
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, principal_id, type, data)
    SELECT the_tenant, o.id, (batch ->> 'principal')::bigint, 'organised',
           jsonb_build_object('to', to_set - 'subject_folded', 'from', jsonb_build_object('subject', o.subject, 'title', o.title, 'labels', o.labels))
      FROM organised o
  )
  SELECT o.id, o.subject, (SELECT m.id FROM moved m) FROM organised o;
END $$;

-- Any status: puts the jobs of one move back where they were, but for those that were moved on since. BB003: undone before.
CREATE OR REPLACE FUNCTION undo_move(batch jsonb) RETURNS TABLE (id text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  the_tenant constant bigint := (batch ->> 'tenant')::bigint;
  the_move moves%ROWTYPE;
BEGIN
  PERFORM set_config('app.tenant', batch ->> 'tenant', true);
  UPDATE moves SET undone_at = now() WHERE tenant_id = the_tenant AND moves.id = (batch ->> 'move')::bigint AND undone_at IS NULL RETURNING * INTO the_move;
  IF the_move.id IS NULL THEN
    RAISE EXCEPTION 'nothing to undo' USING ERRCODE = 'BB003', DETAIL = batch ->> 'move';
  END IF;
  RETURN QUERY
  WITH wanted AS MATERIALIZED (
    SELECT j.id, r.from FROM jsonb_to_recordset(the_move.jobs) AS r (id text, "from" bigint) JOIN jobs j ON j.tenant_id = the_tenant AND j.id = r.id
     WHERE j.subject_id IS NOT DISTINCT FROM the_move.to_subject_id ORDER BY j.id FOR NO KEY UPDATE OF j
  ), back AS (
    UPDATE jobs j SET subject_id = was.from, version = j.version + 1,
           unfiled_at = CASE WHEN was.from IS NULL AND j.subject_id IS NOT NULL THEN now() ELSE j.unfiled_at END
      FROM wanted was WHERE j.id = was.id
    RETURNING j.id
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, principal_id, type, data)
    SELECT the_tenant, b.id, (batch ->> 'principal')::bigint, 'organised', jsonb_build_object('undo', the_move.id) FROM back b
  )
  SELECT b.id FROM back b;
END $$;

-- completed, failed, cancelled: somebody has been told how these ended.
CREATE OR REPLACE FUNCTION see_jobs(batch jsonb) RETURNS TABLE (id text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.tenant', batch ->> 'tenant', true);
  RETURN QUERY
  WITH wanted AS MATERIALIZED (
    SELECT j.id FROM jobs j
     WHERE j.tenant_id = (batch ->> 'tenant')::bigint AND j.id = ANY (ARRAY(SELECT jsonb_array_elements_text(batch -> 'jobs')))
       AND j.finished_at IS NOT NULL AND j.seen_at IS NULL ORDER BY j.id FOR NO KEY UPDATE
  )
  UPDATE jobs j SET seen_at = now() FROM wanted WHERE j.id = wanted.id
  RETURNING j.id;
END $$;

-- Full text. `@@` is not leakproof, so row-level security keeps the index from doors: this runs as the owner, takes the
-- tenant from the transaction itself and never from an argument, and gives ids only.
CREATE OR REPLACE FUNCTION search_jobs(words text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = backburner, pg_catalog AS $$
  SELECT j.id FROM jobs j
   WHERE j.tenant_id = current_tenant() AND j.document @@ websearch_to_tsquery('simple', words)
   LIMIT 1000
$$;

-- completed, failed, cancelled → gone. Its events stay.
CREATE OR REPLACE FUNCTION delete_jobs(batch jsonb) RETURNS TABLE (id text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.tenant', batch ->> 'tenant', true);
  RETURN QUERY
  WITH wanted AS MATERIALIZED (
    SELECT j.id FROM jobs j
     WHERE j.tenant_id = (batch ->> 'tenant')::bigint AND j.id = ANY (SELECT jsonb_array_elements_text(batch -> 'jobs'))
       AND j.status IN ('completed', 'failed', 'cancelled') ORDER BY j.id FOR UPDATE
  ), deleted AS (
    DELETE FROM jobs j USING wanted WHERE j.id = wanted.id
    RETURNING j.id, j.tenant_id, j.kind, j.title, j.status
  ), freed AS (
    DELETE FROM job_links l USING deleted d WHERE l.tenant_id = d.tenant_id AND l.after_id = d.id AND d.status = 'completed'
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, principal_id, type, data)
    SELECT d.tenant_id, d.id, (batch ->> 'principal')::bigint, 'deleted', jsonb_build_object('kind', d.kind, 'title', d.title) FROM deleted d
  )
  SELECT d.id FROM deleted d;
END $$;

-- ----------------------------------------------------------------------------------------------- the hands' verbs

-- A process says that it works here and what it can do.
CREATE OR REPLACE FUNCTION announce_worker(batch jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  the_worker bigint;
BEGIN
  INSERT INTO workers (name, host, pid, queues, kinds, unavailable, max_jobs, at_once, version)
  SELECT w.name, w.host, w.pid, w.queues, w.kinds, w.unavailable, w.max_jobs, coalesce(w.at_once, '{}'), w.version
    FROM jsonb_to_record(batch) AS w (name text, host text, pid int, queues text[], kinds text[], unavailable jsonb, max_jobs int, at_once jsonb, version text)
  RETURNING id INTO the_worker;
  RETURN the_worker;
END $$;

-- Of the jobs of a claim, those for which there is room: of their kind fewer run in their tenant than may. Who counts
-- waits until whoever counts the same has claimed, and then, by a statement of its own, sees what that one took.
CREATE OR REPLACE FUNCTION with_room(batch jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  ids constant text[] := ARRAY(SELECT jsonb_array_elements_text(batch -> 'jobs'));
BEGIN
  PERFORM pg_advisory_xact_lock(locks.key)
     FROM (SELECT DISTINCT hashtextextended(format('%s/%s', j.tenant_id, j.kind), 20) AS key
             FROM jobs j LEFT JOIN limits l ON l.tenant_id = j.tenant_id AND l.kind = j.kind
            WHERE j.id = ANY (ids) AND j.status = 'queued' AND coalesce(l.max_running, (batch #>> ARRAY['kinds', j.kind, 'at_once'])::int) IS NOT NULL
            ORDER BY 1) AS locks;
  RETURN ARRAY(
    WITH wanted AS (
      SELECT j.id, j.tenant_id, j.kind, coalesce(l.max_running, (batch #>> ARRAY['kinds', j.kind, 'at_once'])::int) AS most,
             row_number() OVER (PARTITION BY j.tenant_id, j.kind ORDER BY j.priority DESC, j.created_at, j.id) AS place
        FROM jobs j LEFT JOIN limits l ON l.tenant_id = j.tenant_id AND l.kind = j.kind
       WHERE j.id = ANY (ids) AND j.status = 'queued' AND j.run_after <= now() AND batch -> 'kinds' ? j.kind
    ), counted AS (
      SELECT of.tenant_id, of.kind, (SELECT count(*) FROM jobs r WHERE r.tenant_id = of.tenant_id AND r.status = 'running' AND r.kind = of.kind) AS running
        FROM (SELECT DISTINCT w.tenant_id, w.kind FROM wanted w WHERE w.most IS NOT NULL) AS of
    )
    SELECT w.id FROM wanted w LEFT JOIN counted c ON c.tenant_id = w.tenant_id AND c.kind = w.kind
     WHERE w.most IS NULL OR c.running + w.place <= w.most);
END $$;

-- queued → running. Only what is due and of a kind this worker announced. A job that has crashed before runs beside no
-- other such job of this worker, so at most one a claim: poison takes no neighbours along. Refused for that, or for want of
-- room, it is rung again by the sweep. An attempt that goes on after a wait is not told of as begun: it began before.
CREATE OR REPLACE FUNCTION claim_jobs(batch jsonb)
  RETURNS TABLE (id text, tenant_id bigint, kind text, title text, args jsonb, fence bigint, attempt int, timeout_s float8,
                 waiting_on text, waited_s float8)
  LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  the_worker constant bigint := (batch ->> 'worker')::bigint;
  lease constant interval := make_interval(secs => (batch ->> 'lease_s')::float8);
  ids text[] := ARRAY(SELECT jsonb_array_elements_text(batch -> 'jobs'));
BEGIN
  IF jsonb_path_exists(batch, '$.kinds.*.at_once ? (@ != null)') OR EXISTS (SELECT FROM limits) THEN
    ids := with_room(batch);
    UPDATE jobs j SET rung_at = NULL
      FROM (SELECT q.id FROM jobs q
             WHERE q.id = ANY (ARRAY(SELECT jsonb_array_elements_text(batch -> 'jobs'))) AND q.id <> ALL (ids)
               AND q.status = 'queued' AND q.run_after <= now() AND batch -> 'kinds' ? q.kind
             ORDER BY q.id FOR NO KEY UPDATE SKIP LOCKED) AS refused
     WHERE j.id = refused.id;
  END IF;
  RETURN QUERY
  WITH free AS MATERIALIZED (
    SELECT j.id, j.kind, j.crashes, j.attempt FROM jobs j
     WHERE j.id = ANY (ids)
       AND j.status = 'queued' AND j.run_after <= now() AND batch -> 'kinds' ? j.kind
     ORDER BY j.id FOR NO KEY UPDATE SKIP LOCKED  -- a create of what comes after it does not hide it
  ), crashed AS MATERIALIZED (
    SELECT f.id FROM free f
     WHERE f.crashes > 0
       AND NOT EXISTS (SELECT FROM jobs r WHERE r.worker_id = the_worker AND r.status = 'running' AND r.crashes > 0)
     ORDER BY f.id LIMIT 1
  ), refused AS (
    UPDATE jobs j SET rung_at = NULL FROM free f
     WHERE j.id = f.id AND f.crashes > 0 AND NOT EXISTS (SELECT FROM crashed WHERE crashed.id = f.id)
  ), claimed AS (
    UPDATE jobs j
       SET status = 'running', fence = nextval('fences'), worker_id = the_worker, attempt = j.errors + j.crashes + 1,
           max_attempts = (batch #>> ARRAY['kinds', j.kind, 'max_attempts'])::int,
           deadline_at = now() + make_interval(secs => (batch #>> ARRAY['kinds', j.kind, 'timeout_s'])::float8),
           lease_until = least(now() + lease, now() + make_interval(secs => (batch #>> ARRAY['kinds', j.kind, 'timeout_s'])::float8)),
           started_at = coalesce(j.started_at, now()), claimed_at = now(), version = j.version + 1
      FROM free f
     WHERE j.id = f.id AND (f.crashes = 0 OR EXISTS (SELECT FROM crashed WHERE crashed.id = f.id))
    RETURNING j.id, j.tenant_id, j.kind, j.title, j.args, j.fence, j.attempt, j.waiting_on, j.waiting_since, j.run_after, j.created_at, f.attempt AS attempt_before
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, type, data)
    SELECT c.tenant_id, c.id, 'started',
           jsonb_build_object('attempt', c.attempt, 'worker', the_worker,
                              'waited_s', round(extract(epoch FROM now() - greatest(c.run_after, c.created_at)), 3))
      FROM claimed c
     WHERE c.waiting_on IS NULL OR c.attempt <> c.attempt_before
  )
  SELECT c.id, c.tenant_id, c.kind, c.title, c.args, c.fence, c.attempt, (batch #>> ARRAY['kinds', c.kind, 'timeout_s'])::float8,
         c.waiting_on, extract(epoch FROM now() - c.waiting_since)::float8 FROM claimed c;
END $$;

-- running → running: keeps the leases of one worker. Guarded by the fence and not by the lease, so a late beat
-- revives. What is missing from the reply is lost, cancelled, or past its deadline.
CREATE OR REPLACE FUNCTION beat_jobs(batch jsonb) RETURNS TABLE (id text, fence bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  UPDATE workers w SET seen_at = now(), running = jsonb_array_length(batch -> 'jobs') WHERE w.id = (batch ->> 'worker')::bigint;
  RETURN QUERY
  WITH mine AS MATERIALIZED (
    SELECT j.id FROM jsonb_to_recordset(batch -> 'jobs') AS held (id text, fence bigint) JOIN jobs j ON j.id = held.id AND j.fence = held.fence
     WHERE j.status = 'running' AND j.deadline_at > now() ORDER BY j.id FOR NO KEY UPDATE OF j
  )
  UPDATE jobs j SET lease_until = least(now() + make_interval(secs => (batch ->> 'lease_s')::float8), j.deadline_at)
    FROM mine m WHERE j.id = m.id
  RETURNING j.id, j.fence;
END $$;

-- running → running: how far the jobs are.
CREATE OR REPLACE FUNCTION progress_jobs(batch jsonb) RETURNS TABLE (id text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH mine AS MATERIALIZED (
    SELECT j.id, said.progress FROM jsonb_to_recordset(batch -> 'jobs') AS said (id text, fence bigint, progress jsonb)
      JOIN jobs j ON j.id = said.id AND j.fence = said.fence
     WHERE j.status = 'running' ORDER BY j.id FOR NO KEY UPDATE OF j
  )
  UPDATE jobs j SET progress = m.progress, version = j.version + 1
    FROM mine m WHERE j.id = m.id
  RETURNING j.id;
END $$;

-- running → completed, failed, queued or waiting, with result, artifacts, question and event in one statement. `outcome` is how
-- the attempt ended: completed · failed (for good) · errored (again, while attempts are left) · given_back (nothing spent) ·
-- parked (nothing spent: `waiting_for` person or outside, `waiting_on` what, to be looked at after `look_s`, null: not
-- before something happens). `is_awaited`: the job has ended, and others waited for that.
CREATE OR REPLACE FUNCTION settle_jobs(batch jsonb) RETURNS TABLE (id text, fence bigint, status text, is_awaited boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ending constant text[] := ARRAY(SELECT e ->> 'id' FROM jsonb_array_elements(batch -> 'jobs') AS e WHERE e ->> 'outcome' IN ('completed', 'failed', 'errored'));
BEGIN
  IF EXISTS (SELECT FROM job_links l WHERE l.after_id = ANY (ending)) THEN
    PERFORM lock_with_dependants(ending);
  END IF;
  RETURN QUERY
  WITH ended AS MATERIALIZED (
    SELECT e.*, (e.outcome IN ('errored', 'failed'))::int AS spent
      FROM jsonb_to_recordset(batch -> 'jobs') AS e (id text, fence bigint, outcome text, after_s float8, result jsonb, result_line text,
             error jsonb, progress jsonb, keep_days float8, artifacts jsonb, waiting_for text, waiting_on text, look_s float8, ask jsonb)
  ), mine AS MATERIALIZED (
    SELECT j.id, j.tenant_id, j.fence, j.waiting_on AS waited_on,
           CASE e.outcome WHEN 'completed' THEN 'completed' WHEN 'failed' THEN 'failed' WHEN 'given_back' THEN 'queued' WHEN 'parked' THEN 'waiting'
                   WHEN 'errored' THEN CASE WHEN j.errors + 1 < j.max_attempts THEN 'queued' ELSE 'failed' END END AS becomes
      FROM ended e JOIN jobs j ON j.id = e.id AND j.fence = e.fence AND j.status = 'running' ORDER BY j.id FOR UPDATE OF j
  ), shown AS MATERIALIZED (
    SELECT m.tenant_id, m.id AS job_id, q.*, decode(q.shown_hash_hex, 'hex') AS shown_hash
      FROM mine m JOIN ended e ON e.id = m.id AND e.fence = m.fence,
           jsonb_to_record(e.ask) AS q (name text, question text, choices jsonb, form jsonb, shown jsonb, shown_hash_hex text, for_person text, within_s float8)
     WHERE m.becomes = 'waiting' AND e.ask IS NOT NULL
  ), withdrawn AS (
    UPDATE asks a SET withdrawn_at = now() FROM shown q
     WHERE a.tenant_id = q.tenant_id AND a.job_id = q.job_id AND a.name = q.name AND a.shown_hash <> q.shown_hash
       AND a.answered_at IS NULL AND a.withdrawn_at IS NULL
  ), asked AS (
    -- What was answered just now stays so, and what has expired: the next look finds it.
    INSERT INTO asks (tenant_id, job_id, name, question, choices, form, shown, shown_hash, for_person, deadline_at)
    SELECT q.tenant_id, q.job_id, q.name, q.question, q.choices, q.form, q.shown, q.shown_hash, q.for_person, now() + make_interval(secs => q.within_s)
      FROM shown q
        ON CONFLICT (tenant_id, job_id, name, shown_hash)
        DO UPDATE SET withdrawn_at = NULL, for_person = EXCLUDED.for_person,
                      deadline_at = CASE WHEN EXCLUDED.deadline_at IS NOT NULL THEN coalesce(asks.deadline_at, EXCLUDED.deadline_at) END
        WHERE asks.answered_at IS NULL AND (asks.withdrawn_at IS NULL OR asks.deadline_at IS NULL OR asks.deadline_at > now())
    RETURNING asks.id, asks.job_id, xmax = 0 AS is_new
  ), settled AS (
    UPDATE jobs j
       SET status = m.becomes, errors = j.errors + e.spent, lease_until = NULL, deadline_at = NULL, worker_id = NULL, version = j.version + 1,
           result = e.result, decision = e.result ->> 'decision', result_line = e.result_line,
           progress = coalesce(e.progress, j.progress) - CASE WHEN m.becomes IN ('completed', 'failed') THEN 'so_far' ELSE '' END,
           error = CASE WHEN e.outcome IN ('given_back', 'parked') THEN j.error ELSE e.error END,
           run_after = CASE WHEN m.becomes <> 'queued' THEN j.run_after WHEN e.outcome = 'given_back' THEN now()
                            ELSE now() + coalesce(make_interval(secs => e.after_s), backoff(j.errors + 1)) END,
           rung_at = CASE WHEN m.becomes <> 'queued' THEN j.rung_at END,
           waiting_for = e.waiting_for, waiting_on = coalesce(e.waiting_on, j.waiting_on),
           waiting_since = CASE WHEN e.waiting_on IS NULL OR e.waiting_on = j.waiting_on AND NOT coalesce(a.is_new, false) THEN j.waiting_since ELSE now() END,
           -- At once for a person: the answer may have come before the park. At once, too, where a nudge came during the look.
           look_at = CASE WHEN m.becomes <> 'waiting' THEN NULL
                          WHEN e.waiting_for = 'person' OR j.nudged_at >= j.claimed_at THEN now()
                          ELSE now() + make_interval(secs => e.look_s) END,
           finished_at = CASE WHEN m.becomes IN ('completed', 'failed') THEN now() END,
           keep_until = CASE m.becomes WHEN 'failed' THEN now() + interval '30 days'
                                       WHEN 'completed' THEN now() + make_interval(secs => e.keep_days * 86400) END
      FROM mine m JOIN ended e ON e.id = m.id AND e.fence = m.fence  -- an older attempt may be in the same batch
           LEFT JOIN asked a ON a.job_id = m.id
     WHERE j.id = m.id
    RETURNING j.id, j.tenant_id, j.fence, j.status, j.attempt, j.waiting_for, j.waiting_on, e.outcome, e.error, e.artifacts, a.id AS ask,
              j.status = 'waiting' AND m.waited_on IS NOT DISTINCT FROM j.waiting_on AND NOT coalesce(a.is_new, false) AS waits_on
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, type, data)
    SELECT s.tenant_id, s.id, CASE WHEN s.status = 'queued' AND s.outcome = 'errored' THEN 'retrying'
                                   WHEN s.status = 'queued' THEN s.outcome ELSE s.status END,
           jsonb_strip_nulls(jsonb_build_object('attempt', s.attempt, 'error', s.error, 'for', s.waiting_for,
                                                'on', CASE WHEN s.status = 'waiting' THEN s.waiting_on END, 'ask', s.ask))
      FROM settled s WHERE NOT s.waits_on
  ), withdrawn_at_last AS (
    UPDATE asks a SET withdrawn_at = now() FROM settled s
     WHERE s.status IN ('completed', 'failed') AND s.waiting_on IS NOT NULL AND a.tenant_id = s.tenant_id AND a.job_id = s.id
       AND a.answered_at IS NULL AND a.withdrawn_at IS NULL
  ), shelved AS (
    INSERT INTO artifacts (tenant_id, job_id, fence, name, position, title, media_type, bytes, sha256)
    SELECT s.tenant_id, s.id, s.fence, a.name, a.position, a.title, a.media_type, a.bytes, decode(a.sha256, 'hex')
      FROM settled s, jsonb_to_recordset(s.artifacts) AS a (name text, position int, title text, media_type text, bytes bigint, sha256 text)
     WHERE s.status = 'completed'
  )
  SELECT s.id, s.fence, s.status,
         s.status IN ('completed', 'failed') AND EXISTS (SELECT FROM job_links l WHERE l.after_id = s.id) FROM settled s;
  IF EXISTS (SELECT FROM job_links l WHERE l.after_id = ANY (ending)) THEN
    PERFORM look_at_dependants(ending);
  END IF;
  PERFORM tell_webhooks(ending);
END $$;

-- Someone outside says that it is time to look. waiting (for what is outside) → looked at now; running → looked at again
-- if it parks. Anything else: nothing.
CREATE OR REPLACE FUNCTION nudge_job(batch jsonb) RETURNS TABLE (id text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  UPDATE jobs j SET nudged_at = clock_timestamp(), look_at = CASE WHEN j.status = 'waiting' THEN now() END
   WHERE j.id = batch ->> 'id' AND (j.status = 'running' OR j.status = 'waiting' AND j.waiting_for = 'outside')
  RETURNING j.id;
END $$;

-- waiting → queued, cancelled, or waiting on; gives all that were due to be looked at, and what each is now. For a person:
-- until no question of that name is open. For jobs: until all have ended, or one failed, was cancelled or is gone and the
-- link says `cancel`. First the locks, then a judgement by another statement, with a snapshot from after them: whoever
-- changes what is judged here waits for our lock, and has the job looked at again.
CREATE OR REPLACE FUNCTION wake_jobs(batch jsonb) RETURNS TABLE (id text, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  due constant text[] := ARRAY(SELECT j.id FROM jobs j WHERE j.look_at <= now() ORDER BY j.look_at LIMIT 1000 FOR UPDATE SKIP LOCKED);
BEGIN
  IF cardinality(due) = 0 THEN
    RETURN;
  END IF;
  UPDATE asks a SET withdrawn_at = now() FROM jobs j
   WHERE j.id = ANY (due) AND a.tenant_id = j.tenant_id AND a.job_id = j.id AND a.deadline_at <= now()
     AND a.answered_at IS NULL AND a.withdrawn_at IS NULL;
  RETURN QUERY
  WITH judged AS MATERIALIZED (
    SELECT j.id, parents.failed, questions.deadline_at,
           CASE WHEN parents.failed IS NOT NULL THEN 'cancelled' WHEN parents.are_open OR questions.are_open THEN 'waiting' ELSE 'queued' END AS becomes
      FROM jobs j
           CROSS JOIN LATERAL (
             SELECT count(*) > 0 AS are_open, min(a.deadline_at) AS deadline_at FROM asks a
              WHERE j.waiting_for = 'person' AND a.tenant_id = j.tenant_id AND a.job_id = j.id AND a.name = j.waiting_on
                AND a.answered_at IS NULL AND a.withdrawn_at IS NULL) AS questions
           CROSS JOIN LATERAL (
             SELECT coalesce(bool_or(p.finished_at IS NULL AND p.id IS NOT NULL), false) AS are_open,
                    string_agg(format('%s (%s)', l.after_id, coalesce(p.status, 'gone')), ', ' ORDER BY l.after_id)
                      FILTER (WHERE l.if_parent_fails = 'cancel' AND (p.id IS NULL OR p.status IN ('failed', 'cancelled'))) AS failed
               FROM job_links l LEFT JOIN jobs p ON p.tenant_id = l.tenant_id AND p.id = l.after_id
              WHERE j.waiting_for = 'jobs' AND l.tenant_id = j.tenant_id AND l.job_id = j.id) AS parents
     WHERE j.id = ANY (due)
  ), woken AS (
    UPDATE jobs j
       SET status = w.becomes, version = j.version + (w.becomes <> 'waiting')::int,
           waiting_for = CASE WHEN w.becomes = 'waiting' THEN j.waiting_for END, look_at = CASE WHEN w.becomes = 'waiting' THEN w.deadline_at END,
           run_after = CASE WHEN w.becomes = 'queued' THEN greatest(j.run_after, now()) ELSE j.run_after END,
           rung_at = CASE WHEN w.becomes <> 'queued' THEN j.rung_at END,
           error = CASE WHEN w.becomes = 'cancelled'
                        THEN jsonb_build_object('code', 'parent_failed', 'retryable', false, 'message', format('It was to come after %s.', w.failed))
                        ELSE j.error END,
           finished_at = CASE WHEN w.becomes = 'cancelled' THEN now() END,
           keep_until = CASE WHEN w.becomes = 'cancelled' THEN now() + interval '30 days' END
      FROM judged w WHERE j.id = w.id
    RETURNING j.id, j.tenant_id, j.status, w.failed
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, type, data)
    SELECT w.tenant_id, w.id, 'cancelled', jsonb_build_object('was', 'waiting', 'reason', format('It was to come after %s.', w.failed))
      FROM woken w WHERE w.status = 'cancelled'
  )
  SELECT w.id, w.status FROM woken w;
  PERFORM look_at_dependants(ARRAY(SELECT j.id FROM jobs j WHERE j.id = ANY (due) AND j.status = 'cancelled'));
  PERFORM tell_webhooks(due);
END $$;

-- running → queued or failed, for rows whose lease is over, and for all rows of `workers` whose death somebody saw.
-- A lease lost without a word is a crash, the third is poison; a deadline that passed is an error like any other.
CREATE OR REPLACE FUNCTION reap_jobs(batch jsonb) RETURNS TABLE (id text, status text, crashes int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ended text[] := '{}';
BEGIN
  UPDATE workers w SET stopped_at = now()
   WHERE w.name = ANY (ARRAY(SELECT jsonb_array_elements_text(batch -> 'workers'))) AND w.stopped_at IS NULL;
  FOR id, status, crashes IN
  WITH dead AS MATERIALIZED (
    SELECT j.id, j.deadline_at <= now() AS late,
           CASE WHEN j.deadline_at <= now() THEN j.errors + 1 < j.max_attempts ELSE j.crashes + 1 < 3 END AS again
      FROM jobs j
     WHERE j.status = 'running'
       AND CASE WHEN batch ? 'workers'
                THEN j.worker_id IN (SELECT w.id FROM workers w WHERE w.name = ANY (ARRAY(SELECT jsonb_array_elements_text(batch -> 'workers'))))
                ELSE j.lease_until < now() END
     ORDER BY j.lease_until LIMIT CASE WHEN batch ? 'workers' THEN NULL ELSE 500 END FOR UPDATE SKIP LOCKED
  ), reaped AS (
    UPDATE jobs j
       SET status = CASE WHEN d.again THEN 'queued' ELSE 'failed' END, lease_until = NULL, deadline_at = NULL, worker_id = NULL,
           errors = j.errors + d.late::int, crashes = j.crashes + (NOT d.late)::int, version = j.version + 1, rung_at = NULL,
           run_after = CASE WHEN d.again AND d.late THEN now() + backoff(j.errors + 1) WHEN d.again THEN now() ELSE j.run_after END,
           error = CASE WHEN d.late THEN jsonb_build_object('code', 'timeout', 'retryable', true, 'message',
                               format('The attempt ran longer than its limit of %s s.', round(extract(epoch FROM j.deadline_at - j.claimed_at))))
                        WHEN d.again THEN j.error
                        ELSE jsonb_build_object('code', 'poison', 'retryable', false, 'message',
                               'The worker that ran this job died three times. It is not tried again by itself.') END,
           finished_at = CASE WHEN NOT d.again THEN now() END,
           keep_until = CASE WHEN NOT d.again THEN now() + interval '30 days' END
      FROM dead d WHERE j.id = d.id
    RETURNING j.id, j.tenant_id, j.status, j.crashes, j.attempt, d.late
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, type, data)
    SELECT r.tenant_id, r.id, CASE WHEN r.status = 'failed' THEN 'failed' WHEN r.late THEN 'retrying' ELSE 'crashed' END,
           jsonb_build_object('attempt', r.attempt, 'crashes', r.crashes, 'timeout', r.late)
      FROM reaped r
  )
  SELECT r.id, r.status, r.crashes FROM reaped r
  LOOP
    RETURN NEXT;
    IF reap_jobs.status = 'failed' THEN
      ended := ended || reap_jobs.id;
    END IF;
  END LOOP;
  IF cardinality(ended) > 0 THEN
    PERFORM withdraw_asks(ended);
    PERFORM look_at_dependants(ended);
    PERFORM tell_webhooks(ended);
  END IF;
END $$;

-- queued → queued: marks rows to be rung: those never rung, or the named ones if nobody else has rung them
-- meanwhile. Only kinds that a live worker announces: a message that nobody may answer would be taken and dropped for ever.
CREATE OR REPLACE FUNCTION ring_jobs(batch jsonb)
  RETURNS TABLE (id text, tenant_id bigint, queue text, priority smallint, dispatch int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  known constant text[] := ARRAY(SELECT DISTINCT unnest(w.kinds) FROM workers w
                                  WHERE w.stopped_at IS NULL AND w.seen_at > now() - interval '1 minute');
  -- Each worker runs one job that has crashed before: more rings than that would be answered by refusals, for ever.
  calm constant bigint := (SELECT count(*) FROM workers w
                            WHERE w.stopped_at IS NULL AND w.seen_at > now() - interval '1 minute'
                              AND NOT EXISTS (SELECT FROM jobs r WHERE r.worker_id = w.id AND r.status = 'running' AND r.crashes > 0));
  -- Of these only so many are rung as there is room for: all others would be refused, again and again.
  at_once constant jsonb := (SELECT coalesce(jsonb_object_agg(a.kind, a.most), '{}')
                               FROM (SELECT e.key AS kind, min(e.value::int) AS most FROM workers w, jsonb_each_text(w.at_once) AS e
                                      WHERE w.stopped_at IS NULL AND w.seen_at > now() - interval '1 minute' GROUP BY e.key) AS a);
  limited constant text[] := ARRAY(SELECT jsonb_object_keys(at_once) UNION SELECT l.kind FROM limits l);
BEGIN
  IF batch ? 'jobs' THEN
    RETURN QUERY
    UPDATE jobs j SET rung_at = now(), dispatch = j.dispatch + 1
      FROM (SELECT q.id FROM jsonb_to_recordset(batch -> 'jobs') AS gone (id text, dispatch int)
              JOIN jobs q ON q.id = gone.id AND q.dispatch = gone.dispatch
             WHERE q.status = 'queued' AND q.kind = ANY (known) ORDER BY q.id FOR UPDATE OF q SKIP LOCKED) AS due
     WHERE j.id = due.id
    RETURNING j.id, j.tenant_id, j.queue, j.priority, j.dispatch;
  ELSE
    RETURN QUERY
    WITH due AS (
      SELECT q.id FROM jobs q
       WHERE q.status = 'queued' AND q.rung_at IS NULL AND q.run_after <= now() AND q.kind = ANY (known) AND q.crashes = 0
         AND q.kind <> ALL (limited)
       ORDER BY q.run_after LIMIT 1000 FOR UPDATE SKIP LOCKED
    ), with_room AS MATERIALIZED (
      SELECT w.tenant_id, w.kind,
             coalesce(l.max_running, (at_once ->> w.kind)::int, 1000)
             - (SELECT count(*) FROM jobs r WHERE r.tenant_id = w.tenant_id AND r.status = 'running' AND r.kind = w.kind) AS room
        FROM (SELECT DISTINCT q.tenant_id, q.kind FROM jobs q
               WHERE q.status = 'queued' AND q.rung_at IS NULL AND q.run_after <= now() AND q.kind = ANY (limited) AND q.kind = ANY (known)) AS w
             LEFT JOIN limits l ON l.tenant_id = w.tenant_id AND l.kind = w.kind
    ), next AS (
      SELECT n.id FROM with_room w
             CROSS JOIN LATERAL (
               SELECT q.id FROM jobs q
                WHERE q.tenant_id = w.tenant_id AND q.kind = w.kind AND q.status = 'queued' AND q.rung_at IS NULL AND q.run_after <= now() AND q.crashes = 0
                ORDER BY q.priority DESC, q.created_at LIMIT greatest(w.room, 0) FOR UPDATE SKIP LOCKED) AS n
    ), crashed AS (
      SELECT q.id FROM jobs q
       WHERE q.status = 'queued' AND q.rung_at IS NULL AND q.run_after <= now() AND q.kind = ANY (known) AND q.crashes > 0
       ORDER BY q.run_after LIMIT calm FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs j SET rung_at = now(), dispatch = j.dispatch + 1
     WHERE j.id IN (SELECT due.id FROM due UNION ALL SELECT next.id FROM next UNION ALL SELECT crashed.id FROM crashed)
    RETURNING j.id, j.tenant_id, j.queue, j.priority, j.dispatch;
  END IF;
END $$;

-- completed, failed, cancelled → gone, when nobody promised to keep it any longer. Its events stay. `keep_days` is for how long
-- is kept what completed and nobody filed; a rule that has changed takes nothing for a week. The same is said of a job by the
-- query job_columns.
CREATE OR REPLACE FUNCTION expire_jobs(batch jsonb) RETURNS TABLE (id text, tenant_id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  most constant int := coalesce((batch ->> 'most')::int, 500);
  unfiled_before timestamptz;
BEGIN
  IF batch ? 'keep_days' THEN
    UPDATE keeping k SET days = (batch ->> 'keep_days')::int, since = now() WHERE k.days IS DISTINCT FROM (batch ->> 'keep_days')::int;
  END IF;
  SELECT now() - make_interval(days => k.days) INTO unfiled_before
    FROM keeping k WHERE k.since + make_interval(days => least(k.days, 7)) <= now();
  RETURN QUERY
  WITH out_of_time AS MATERIALIZED (
    SELECT old.id FROM jobs old WHERE old.keep_until < now() AND old.status IN ('completed', 'failed', 'cancelled')
     ORDER BY old.keep_until LIMIT most FOR UPDATE SKIP LOCKED
  ), unfiled AS MATERIALIZED (
    SELECT old.id FROM tenants t CROSS JOIN LATERAL (
             SELECT u.id FROM jobs u
              WHERE u.tenant_id = t.id AND u.subject_id IS NULL AND u.created_at < unfiled_before AND u.status = 'completed'
                AND u.keep_until IS NULL AND greatest(u.finished_at, u.unfiled_at) < unfiled_before
              ORDER BY u.created_at, u.id LIMIT most FOR UPDATE SKIP LOCKED) AS old
     LIMIT most
  ), expired AS (
    DELETE FROM jobs j WHERE j.id IN (SELECT o.id FROM out_of_time o UNION ALL SELECT u.id FROM unfiled u)
    RETURNING j.id, j.tenant_id, j.kind, j.title, j.status
  ), freed AS (
    DELETE FROM job_links l USING expired e WHERE l.tenant_id = e.tenant_id AND l.after_id = e.id AND e.status = 'completed'
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, type, data)
    SELECT e.tenant_id, e.id, 'expired',
           jsonb_strip_nulls(jsonb_build_object('kind', e.kind, 'title', e.title, 'status', e.status, 'unfiled_for_days', u.days))
      FROM expired e LEFT JOIN (SELECT f.id, k.days FROM unfiled f, keeping k) AS u ON u.id = e.id
  )
  SELECT e.id, e.tenant_id FROM expired e;
END $$;

-- Adds up what has happened since the last look: of each tenant and kind by the hour, by the day, and ever. Gives how many
-- events it has read; of two that look at once, one does. It stops below the oldest transaction still open, because ids commit
-- out of order. (In a database that was restored elsewhere transactions are numbered anew: it goes on from there.)
CREATE OR REPLACE FUNCTION count_jobs(batch jsonb) RETURNS TABLE (events bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  bounds constant float8[] := ARRAY(SELECT b.value::float8 FROM jsonb_array_elements_text(batch -> 'bounds_s') AS b);
  place record;
  last record;
BEGIN
  SELECT i.counted_tx AS tx, i.counted_id AS id INTO place FROM installation i FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 0::bigint;
    RETURN;
  END IF;
  IF place.tx > pg_snapshot_xmin(pg_current_snapshot()) THEN
    UPDATE installation SET counted_tx = pg_snapshot_xmin(pg_current_snapshot()), counted_id = 0
    RETURNING counted_tx, counted_id INTO place.tx, place.id;
  END IF;
  WITH happened AS MATERIALIZED (
    SELECT e.tx, e.id, e.tenant_id, e.job_id, e.type, e.at, e.data FROM job_events e
     WHERE (e.tx, e.id) > (place.tx, place.id) AND e.tx < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY e.tx, e.id LIMIT (batch ->> 'most')::int
  ), told AS (
    SELECT h.tenant_id, date_trunc('hour', h.at) AS hour, date_trunc('day', h.at) AS day,
           coalesce(j.kind, h.data ->> 'kind', (
             SELECT g.data ->> 'kind' FROM job_events g
              WHERE g.tenant_id = h.tenant_id AND g.job_id = h.job_id AND g.type IN ('deleted', 'expired') LIMIT 1)) AS kind,
           CASE WHEN h.type = 'failed' AND h.data ? 'crashes' AND h.data -> 'timeout' = 'false' THEN 'poison' ELSE h.type END AS what,
           CASE WHEN h.type = 'started' THEN (h.data ->> 'waited_s')::float8
                WHEN h.type IN ('completed', 'failed') THEN extract(epoch FROM j.finished_at - j.started_at)::float8 END AS seconds
      FROM happened h LEFT JOIN jobs j ON j.id = h.job_id
     WHERE h.type IN ('created', 'started', 'completed', 'failed', 'cancelled', 'crashed', 'retrying', 'deleted', 'expired')
  ), measured AS (
    SELECT t.*, CASE WHEN t.seconds IS NULL THEN -1 ELSE width_bucket(t.seconds, bounds) END AS bucket FROM told t WHERE t.kind IS NOT NULL
  ), counted AS (
    INSERT INTO job_counts AS c (tenant_id, span, began, kind, what, bucket, jobs, seconds)
    SELECT m.tenant_id, CASE WHEN GROUPING(m.hour) = 0 THEN 'hour' WHEN GROUPING(m.day) = 0 THEN 'day' ELSE 'ever' END,
           coalesce(m.hour, m.day, '-infinity'), m.kind, m.what, coalesce(m.bucket, -1), count(*), coalesce(sum(m.seconds), 0)
      FROM measured m
     GROUP BY m.tenant_id, m.kind, m.what, GROUPING SETS ((m.hour), (m.day, m.bucket), (m.bucket))
        ON CONFLICT (tenant_id, span, began, kind, what, bucket) DO UPDATE SET jobs = c.jobs + EXCLUDED.jobs, seconds = c.seconds + EXCLUDED.seconds
  )
  SELECT count(*) AS read, (array_agg(h.tx ORDER BY h.tx DESC, h.id DESC))[1] AS tx, (array_agg(h.id ORDER BY h.tx DESC, h.id DESC))[1] AS id
    INTO last FROM happened h;
  IF last.read > 0 THEN
    UPDATE installation SET counted_tx = last.tx, counted_id = last.id;
  END IF;
  DELETE FROM job_counts c WHERE c.span = 'hour' AND c.began < now() - interval '3 days' OR c.span = 'day' AND c.began < now() - interval '32 days';
  RETURN QUERY SELECT last.read;
END $$;

-- What a running attempt has done, once; again only where what was recorded is no use any more. Nothing comes back where
-- the attempt is no longer ours.
CREATE OR REPLACE FUNCTION record_step(batch jsonb) RETURNS TABLE (id text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH mine AS (
    SELECT j.id, j.tenant_id FROM jobs j
     WHERE j.id = batch ->> 'id' AND j.fence = (batch ->> 'fence')::bigint AND j.status = 'running' FOR SHARE
  ), recorded AS (
    INSERT INTO job_steps (tenant_id, job_id, name, args_hash, reuse, value, took_s)
    SELECT m.tenant_id, m.id, batch ->> 'name', decode(batch ->> 'args_hash', 'hex'), batch ->> 'reuse', batch -> 'value', (batch ->> 'took_s')::real
      FROM mine m
        ON CONFLICT (tenant_id, job_id, name, args_hash)
        DO UPDATE SET reuse = EXCLUDED.reuse, value = EXCLUDED.value, took_s = EXCLUDED.took_s, recorded_at = now()
  )
  SELECT m.id FROM mine m;
END $$;

-- Whether it is a running job's turn among those of its kind that bear the same labels: one at a time, in the order of their
-- creation. Whoever has it is noted as a step whose value is the job's own id, so that a redo does not inherit it. What waits
-- for other jobs, or was not due yet, stands in nobody's way. No row: the attempt is no longer ours.
CREATE OR REPLACE FUNCTION take_turn(batch jsonb) RETURNS TABLE (is_its_turn boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  wanted CONSTANT jsonb := batch -> 'labels';
  line CONSTANT bytea := sha256(convert_to(wanted::text, 'UTF8'));
  mine record;
BEGIN
  SELECT j.id, j.tenant_id, j.kind, j.created_at INTO mine FROM jobs j
   WHERE j.id = batch ->> 'id' AND j.fence = (batch ->> 'fence')::bigint AND j.status = 'running' FOR SHARE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  -- Of two that look at once, the second sees what the first has noted.
  PERFORM pg_advisory_xact_lock(hashtextextended(mine.tenant_id || ' ' || mine.kind || ' ' || wanted, 0));
  RETURN QUERY
  WITH others AS (
    SELECT j.id FROM jobs j LEFT JOIN job_steps s ON s.tenant_id = j.tenant_id AND s.job_id = j.id AND s.name = 'turn' AND s.args_hash = line
     WHERE j.tenant_id = mine.tenant_id AND j.kind = mine.kind AND j.labels <> '{}' AND j.labels @> wanted
       AND j.id <> mine.id AND j.finished_at IS NULL
       AND (s.value = to_jsonb(j.id)
            OR (j.created_at, j.id) < (mine.created_at, mine.id) AND j.waiting_for IS DISTINCT FROM 'jobs'
               AND (j.started_at IS NOT NULL OR j.run_after <= now()))
  ), taken AS (
    INSERT INTO job_steps (tenant_id, job_id, name, args_hash, value, took_s)
    SELECT mine.tenant_id, mine.id, 'turn', line, to_jsonb(mine.id), 0
     WHERE NOT EXISTS (SELECT FROM others)
        OR EXISTS (SELECT FROM job_steps s WHERE s.tenant_id = mine.tenant_id AND s.job_id = mine.id AND s.name = 'turn'
                      AND s.args_hash = line AND s.value = to_jsonb(mine.id))
        ON CONFLICT (tenant_id, job_id, name, args_hash) DO UPDATE SET value = EXCLUDED.value, recorded_at = now()
    RETURNING job_id
  )
  SELECT EXISTS (SELECT FROM taken);
END $$;

-- Whom there is something to tell, and what: open questions that they may answer (`is_new`: not told before), and jobs of
-- theirs and of their agents that ended and nobody saw within a minute. Each is the caller's to tell until `lease_s` are
-- over; what told_notices does not record by then is given out again. Ends are told up to `until`: no statement that
-- writes one takes a minute, so that what is seen up to there is all there is. Of questions only those are read that were
-- asked since `news_from`, up to where all were told: all open ones only when something may have to be told again, and once an
-- hour for what came to this person without being asked anew.
CREATE OR REPLACE FUNCTION take_notices(batch jsonb)
  RETURNS TABLE (tenant bigint, person bigint, address text, take int, until timestamptz, asks jsonb, ends jsonb) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  pauses constant float8[] := ARRAY(SELECT p.value::float8 FROM jsonb_array_elements_text(batch -> 'remind_s') AS p);
  whom record;
  given int := 0;
  is_whole boolean;
  first_untold timestamptz;
BEGIN
  until := now() - interval '1 minute';
  FOR whom IN
    SELECT n.tenant_id, n.person_id, n.wants, n.told_until, n.news_from, n.look_at, p.name,
           (batch ->> 'own')::boolean OR NOT EXISTS (
             SELECT FROM principals o WHERE o.tenant_id = p.tenant_id AND o.role = 'person' AND o.id <> p.id) AS may_own
      FROM notice_addresses n JOIN principals p ON p.tenant_id = n.tenant_id AND p.id = n.person_id
     WHERE n.next_at <= now() AND n.stopped_at IS NULL ORDER BY n.next_at FOR NO KEY UPDATE OF n SKIP LOCKED
  LOOP
    EXIT WHEN given >= (batch ->> 'most')::int;
    is_whole := whom.look_at <= now();
    -- What is told again is told together: with the first that is due, all that are half the way there.
    SELECT jsonb_agg(jsonb_build_object('id', w.id, 'job', w.job_id, 'title', w.title, 'kind', w.kind, 'question', w.question,
                                        'is_new', w.told_at IS NULL) ORDER BY w.asked_at, w.id),
           min(w.asked_at) FILTER (WHERE w.told_at IS NULL) INTO asks, first_untold
      FROM (SELECT a.id, a.job_id, a.asked_at, j.title, j.kind, left(a.question, 300) AS question, m.told_at,
                   make_interval(secs => pauses[least(m.times, cardinality(pauses))]) AS pause
              FROM asks a JOIN jobs j ON j.tenant_id = a.tenant_id AND j.id = a.job_id
                   LEFT JOIN told_asks m ON m.tenant_id = a.tenant_id AND m.ask_id = a.id AND m.person_id = whom.person_id
             WHERE 'needs_me' = ANY (whom.wants) AND a.tenant_id = whom.tenant_id AND a.answered_at IS NULL AND a.withdrawn_at IS NULL
               AND a.asked_at >= CASE WHEN is_whole THEN '-infinity' ELSE whom.news_from END AND (is_whole OR m.told_at IS NULL)
               AND a.asked_at <= now() - interval '10 s' AND (a.deadline_at IS NULL OR a.deadline_at > now())
               AND (a.for_person IS NULL OR lower(a.for_person) = lower(whom.name) OR NOT EXISTS (
                     SELECT FROM principals p WHERE p.tenant_id = a.tenant_id AND p.role = 'person' AND lower(p.name) = lower(a.for_person)))
               AND (whom.may_own OR j.principal_id <> whom.person_id)
             ORDER BY m.told_at NULLS FIRST, a.asked_at LIMIT 1000) AS w
     WHERE w.told_at IS NULL OR w.told_at + w.pause / 2 <= now()
    HAVING bool_or(w.told_at IS NULL OR w.told_at + w.pause <= now());
    -- What ends at once upon somebody's own answer is no news to them.
    SELECT jsonb_agg(jsonb_build_object('job', e.id, 'title', e.title, 'kind', e.kind, 'status', e.status) ORDER BY e.finished_at, e.id) INTO ends
      FROM (SELECT j.id, j.kind, j.status, j.finished_at,
                   coalesce(nullif(j.title, ''), (SELECT f.title FROM artifacts f WHERE f.tenant_id = j.tenant_id AND f.job_id = j.id AND f.position = 0), '') AS title
              FROM jobs j
             WHERE j.tenant_id = whom.tenant_id
               AND j.principal_id IN (SELECT p.id FROM principals p WHERE p.tenant_id = whom.tenant_id AND whom.person_id IN (p.id, p.person_id))
               AND j.finished_at > whom.told_until AND j.finished_at <= until AND j.seen_at IS NULL
               AND (j.status = 'completed' AND 'done' = ANY (whom.wants) OR j.status = 'failed' AND 'failed' = ANY (whom.wants))
               AND NOT EXISTS (SELECT FROM asks a WHERE a.tenant_id = j.tenant_id AND a.job_id = j.id AND a.answered_by = whom.person_id
                                                    AND a.answered_at > j.finished_at - interval '1 minute')
             ORDER BY j.finished_at LIMIT 1000) AS e;
    IF asks IS NOT NULL OR ends IS NOT NULL THEN
      UPDATE notice_addresses n
         SET take = n.take + 1, next_at = now() + make_interval(secs => (batch ->> 'lease_s')::float8), news_from = coalesce(first_untold, until),
             look_at = CASE WHEN is_whole THEN now() + interval '1 minute' ELSE least(n.look_at, now() + make_interval(secs => pauses[1])) END
       WHERE n.tenant_id = whom.tenant_id AND n.person_id = whom.person_id
      RETURNING n.tenant_id, n.person_id, n.address, n.take INTO tenant, person, address, take;
      RETURN NEXT;
      given := given + 1;
    ELSIF is_whole OR least(whom.told_until, whom.news_from) < until - interval '10 minutes' THEN
      -- Nothing up to here is news any more: it is not looked through again.
      UPDATE notice_addresses n
         SET told_until = greatest(n.told_until, until), news_from = until,
             look_at = CASE WHEN NOT is_whole THEN n.look_at ELSE greatest(now() + interval '1 minute', least(now() + interval '1 hour', (
               SELECT min(m.told_at + make_interval(secs => pauses[least(m.times, cardinality(pauses))]))
                 FROM told_asks m JOIN asks a ON a.tenant_id = m.tenant_id AND a.id = m.ask_id
                WHERE m.tenant_id = n.tenant_id AND m.person_id = n.person_id AND a.answered_at IS NULL AND a.withdrawn_at IS NULL))) END
       WHERE n.tenant_id = whom.tenant_id AND n.person_id = whom.person_id;
    END IF;
  END LOOP;
END $$;

-- How one went: taken, or `refused` for a reason. After a refusal the pauses grow from a minute to six hours; the twelfth
-- in a row, within about a day, is the last. No row: it is not this sender's to say any more, or was said before.
CREATE OR REPLACE FUNCTION told_notices(batch jsonb) RETURNS TABLE (is_stopped boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  why constant text := batch ->> 'refused';
BEGIN
  UPDATE notice_addresses n
     SET take = n.take + 1, told_at = CASE WHEN why IS NULL THEN now() ELSE n.told_at END,
         told_until = CASE WHEN why IS NULL THEN (batch ->> 'until')::timestamptz ELSE n.told_until END,
         tries = CASE WHEN why IS NULL THEN 0 ELSE n.tries + 1 END, refused = why,
         next_at = now() + CASE WHEN why IS NULL THEN interval '1 minute'
                                ELSE make_interval(secs => greatest((batch ->> 'after_s')::float8, least(60 * power(2, n.tries), 21600))) END,
         stopped_at = CASE WHEN why IS NOT NULL AND n.tries >= 11 THEN now() END
   WHERE n.tenant_id = (batch ->> 'tenant')::bigint AND n.person_id = (batch ->> 'person')::bigint AND n.take = (batch ->> 'take')::int
  RETURNING n.stopped_at IS NOT NULL INTO is_stopped;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF why IS NULL THEN
    INSERT INTO told_asks AS m (tenant_id, ask_id, person_id, times, told_at)
    SELECT a.tenant_id, a.id, (batch ->> 'person')::bigint, 1, now() FROM asks a
     WHERE a.tenant_id = (batch ->> 'tenant')::bigint AND a.id IN (SELECT value::bigint FROM jsonb_array_elements_text(batch -> 'asks'))
     ORDER BY a.id FOR KEY SHARE
        ON CONFLICT (tenant_id, ask_id, person_id) DO UPDATE SET times = m.times + 1, told_at = now();
  END IF;
  RETURN NEXT;
END $$;

-- What completed runs took, for foretelling others: of every kind of a tenant the newest 50. The run itself is what the worker
-- makes of it.
CREATE OR REPLACE FUNCTION record_runs(batch jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO run_times (tenant_id, kind, took_s, run)
  SELECT r.tenant, r.kind, r.took_s, r.run FROM jsonb_to_recordset(batch -> 'runs') AS r (tenant bigint, kind text, took_s real, run jsonb);
  DELETE FROM run_times t
   WHERE t.id IN (SELECT old.id FROM (SELECT DISTINCT tenant, kind FROM jsonb_to_recordset(batch -> 'runs') AS r (tenant bigint, kind text)) AS written
                    CROSS JOIN LATERAL (SELECT o.id FROM run_times o WHERE o.tenant_id = written.tenant AND o.kind = written.kind
                                         ORDER BY o.id DESC OFFSET 50 FOR UPDATE SKIP LOCKED) AS old);
END $$;

-- The time of a schedule has come: its job is created and its next time set at once, or neither. What becomes of it: `fired`
-- (the job is the caller's to ring), `skipped` (a job before it has not ended), `passed` (no `job`: it is too late for it), or
-- `refused` (`error` says why; it stays due, and is tried again in a minute). No row: another has it, or it was changed or
-- paused since it was read. As the owner, because hands create nothing else: whose the job is, the schedule says.
CREATE OR REPLACE FUNCTION fire_schedule(batch jsonb)
  RETURNS TABLE (outcome text, id text, queue text, priority smallint, dispatch int)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = backburner, pg_catalog AS $$
#variable_conflict use_column
DECLARE
  mine record;
  still_open text[];
  became text := 'refused';
  new_job text;
BEGIN
  SELECT x.* INTO mine FROM schedules x
   WHERE x.id = (batch ->> 'schedule')::bigint AND x.next_at = (batch ->> 'read_at')::timestamptz AND x.version = (batch ->> 'version')::bigint
     AND x.paused_at IS NULL FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF batch ->> 'error' IS NOT NULL THEN
    UPDATE schedules x SET last_error = batch ->> 'error', error_since = coalesce(x.error_since, now()), retry_at = now() + interval '1 minute'
     WHERE x.id = mine.id;
    RETURN QUERY SELECT became, new_job, NULL, NULL::smallint, NULL::int;
    RETURN;
  END IF;

  still_open := ARRAY(SELECT j.id FROM jobs j WHERE j.tenant_id = mine.tenant_id AND j.id = ANY (mine.unended) AND j.finished_at IS NULL);
  became := CASE WHEN batch ->> 'job' IS NULL THEN 'passed'
                 WHEN mine.overlap = 'skip' AND cardinality(still_open) > 0 THEN 'skipped' ELSE 'fired' END;
  IF became = 'fired' THEN
    SELECT c.id, c.queue, c.priority, c.dispatch INTO new_job, queue, priority, dispatch
      FROM create_jobs(jsonb_build_object('tenant', mine.tenant_id, 'principal', mine.principal_id, 'jobs', jsonb_build_array(batch -> 'job'),
                                          'guard_s', 0, 'is_batch', false)) AS c;
    INSERT INTO job_events (tenant_id, job_id, type, data)
    VALUES (mine.tenant_id, new_job, 'scheduled', jsonb_build_object('schedule', mine.name, 'due_at', batch ->> 'due_at'));
    IF batch ->> 'webhook' IS NOT NULL THEN
      PERFORM call_webhooks(jsonb_build_object('tenant', mine.tenant_id, 'webhooks',
                                               jsonb_build_array((batch -> 'webhook') || jsonb_build_object('job', new_job))));
    END IF;
    still_open := CASE WHEN mine.overlap = 'skip' THEN still_open || new_job ELSE ARRAY[new_job] END;
  END IF;
  UPDATE schedules x
     SET next_at = (batch ->> 'next_at')::timestamptz, unended = still_open, last_job = coalesce(new_job, x.last_job),
         fired_at = CASE WHEN became = 'fired' THEN (batch ->> 'due_at')::timestamptz ELSE x.fired_at END,
         skipped = x.skipped + (became = 'skipped')::int, skipped_at = CASE WHEN became = 'skipped' THEN now() ELSE x.skipped_at END,
         missed = x.missed + (batch ->> 'missed')::int, missed_at = CASE WHEN (batch ->> 'missed')::int > 0 THEN now() ELSE x.missed_at END,
         retry_at = NULL, last_error = CASE WHEN became = 'passed' THEN x.last_error END, error_since = CASE WHEN became = 'passed' THEN x.error_since END
   WHERE x.id = mine.id;
  outcome := became;
  id := new_job;
  RETURN NEXT;
END $$;

-- Redeem a one-time link for a session, once. No row: it was used, has expired, or never was.
CREATE OR REPLACE FUNCTION sign_in(batch jsonb) RETURNS TABLE (tenant bigint, principal bigint, name text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH link AS (
    UPDATE sign_in_links l SET used_at = now()
     WHERE l.secret_hash = decode(batch ->> 'link_hash', 'hex') AND l.used_at IS NULL AND l.expires_at > now()
    RETURNING l.tenant_id, l.principal_id, l.is_admin
  ), begun AS (
    INSERT INTO sessions (tenant_id, principal_id, secret_hash, expires_at, is_admin)
    SELECT l.tenant_id, l.principal_id, decode(batch ->> 'session_hash', 'hex'), now() + make_interval(secs => (batch ->> 'lasts_s')::float8), l.is_admin
      FROM link l
  )
  SELECT p.tenant_id, p.id, p.name FROM link l JOIN principals p ON p.tenant_id = l.tenant_id AND p.id = l.principal_id;
END $$;

-- Verbs of an older version, which the statements above did not touch.
DO $$
DECLARE
  verb regprocedure;
BEGIN
  FOR verb IN SELECT oid::regprocedure FROM pg_proc
               WHERE pronamespace = 'backburner'::regnamespace AND proname <> 'current_tenant' AND xmin <> pg_current_xact_id()::xid LOOP
    EXECUTE format('DROP FUNCTION %s', verb);
  END LOOP;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA backburner FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_tenant(), lock_with_dependants(text[]), look_at_dependants(text[]), withdraw_asks(text[]), webhook_body(jobs),
  tell_webhooks(text[])
  TO backburner_door, backburner_hands;
GRANT EXECUTE ON FUNCTION new_job_id(), create_jobs(jsonb), refuse_other_request(bytea, text, text), cancel_jobs(jsonb), organise_jobs(jsonb),
  call_webhooks(jsonb), answer_asks(jsonb), undo_move(jsonb), see_jobs(jsonb), search_jobs(text), delete_jobs(jsonb) TO backburner_door;
GRANT EXECUTE ON FUNCTION backoff(int), announce_worker(jsonb), with_room(jsonb), claim_jobs(jsonb), beat_jobs(jsonb), progress_jobs(jsonb), settle_jobs(jsonb),
  nudge_job(jsonb), wake_jobs(jsonb), reap_jobs(jsonb), ring_jobs(jsonb), expire_jobs(jsonb), record_step(jsonb), record_runs(jsonb), take_turn(jsonb), sign_in(jsonb),
  count_jobs(jsonb), take_notices(jsonb), told_notices(jsonb), fire_schedule(jsonb) TO backburner_hands;
