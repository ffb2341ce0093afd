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

-- ------------------------------------------------------------------------------------------------ the door's verbs

-- → queued. Gives every asked position its job: a new one, or the one that it is the same as. A repeated
-- idempotency key is the same job if the request is the same, else BB001; a redo of what has not ended is BB002.
CREATE OR REPLACE FUNCTION create_jobs(batch jsonb)
  RETURNS TABLE (place int, id text, created boolean, dispatch int, queue text, priority smallint)
  LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  the_tenant constant bigint := (batch ->> 'tenant')::bigint;
  the_principal constant bigint := (batch ->> 'principal')::bigint;
  guard constant interval := make_interval(secs => (batch ->> 'guard_s')::float8);
  the_batch text;
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
                 args_hash text, again boolean)
      ), same AS MATERIALIZED (
        -- One look into jobs_same per job. The hash is decoded above: under row-level security a condition that calls
        -- decode() on the way may not use an index, and every job of the tenant would be read.
        SELECT a.place, old.* FROM asked a CROSS JOIN LATERAL (
          SELECT j.id, j.dispatch, j.queue, j.priority FROM jobs j
           WHERE j.tenant_id = the_tenant AND j.principal_id = the_principal AND j.args_hash = a.same_as
             AND j.status IN ('queued', 'running', 'waiting', 'completed') AND (j.finished_at IS NULL OR j.finished_at > now() - guard)
           ORDER BY j.created_at DESC LIMIT 1) AS old
         WHERE a.idempotency_key IS NULL AND NOT a.again
      ), made AS (
        INSERT INTO jobs AS j (id, tenant_id, principal_id, kind, queue, title, args, subject_id, labels, priority, run_after, redo_of,
                               batch_id, idempotency_key, request_hash, args_hash, rung_at, dispatch)
        SELECT a.id, the_tenant, the_principal, a.kind, a.queue, a.title, a.args, s.id, a.labels, a.priority, coalesce(a.run_after, now()),
               a.redo_of, the_batch, a.idempotency_key, decode(a.request_hash, 'hex'), a.same_as,
               CASE WHEN a.run_after IS NULL OR a.run_after <= now() THEN now() END,
               CASE WHEN a.run_after IS NULL OR a.run_after <= now() THEN 1 ELSE 0 END
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
      )
      SELECT a.place, m.id, true, m.dispatch, m.queue, m.priority FROM asked a JOIN made m ON m.id = a.id
      UNION ALL
      SELECT a.place, m.id, false, m.dispatch, m.queue, m.priority FROM asked a JOIN made m ON m.idempotency_key = a.idempotency_key
       WHERE m.id <> a.id AND refuse_other_request(m.request_hash, a.request_hash, a.idempotency_key)
      UNION ALL
      SELECT s.place, s.id, false, s.dispatch, s.queue, s.priority FROM same s
      ORDER BY 1;
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
BEGIN
  PERFORM set_config('app.tenant', batch ->> 'tenant', true);
  RETURN QUERY
  WITH wanted AS MATERIALIZED (
    SELECT j.id, j.status FROM jobs j
     WHERE j.tenant_id = (batch ->> 'tenant')::bigint AND j.id = ANY (SELECT jsonb_array_elements_text(batch -> 'jobs'))
       AND j.status IN ('queued', 'running', 'waiting') ORDER BY j.id FOR UPDATE
  ), cancelled AS (
    UPDATE jobs j SET status = 'cancelled', waiting_for = NULL, lease_until = NULL, deadline_at = NULL, worker_id = NULL,
           finished_at = now(), keep_until = now() + interval '30 days', version = j.version + 1
      FROM wanted WHERE j.id = wanted.id
    RETURNING j.id, j.tenant_id, j.fence, wanted.status AS was
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, principal_id, type, data)
    SELECT c.tenant_id, c.id, (batch ->> 'principal')::bigint, 'cancelled', jsonb_strip_nulls(jsonb_build_object('reason', batch ->> 'reason', 'was', c.was))
      FROM cancelled c
  )
  SELECT c.id, CASE WHEN c.was = 'running' THEN c.fence END FROM cancelled c;
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
    UPDATE jobs j SET subject_id = was.from, version = j.version + 1 FROM wanted was WHERE j.id = was.id
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
    RETURNING j.id, j.tenant_id, j.kind, j.title
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
  INSERT INTO workers (name, host, pid, queues, kinds, unavailable, max_jobs)
  SELECT w.name, w.host, w.pid, w.queues, w.kinds, w.unavailable, w.max_jobs
    FROM jsonb_to_record(batch) AS w (name text, host text, pid int, queues text[], kinds text[], unavailable jsonb, max_jobs int)
  RETURNING id INTO the_worker;
  RETURN the_worker;
END $$;

-- queued → running. Only what is due and of a kind this worker announced. A job that has crashed before runs beside no
-- other such job of this worker, so at most one a claim: poison takes no neighbours along. Refused for
-- that, it is rung again by the sweep.
CREATE OR REPLACE FUNCTION claim_jobs(batch jsonb)
  RETURNS TABLE (id text, tenant_id bigint, kind text, title text, args jsonb, fence bigint, attempt int, timeout_s float8)
  LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  the_worker constant bigint := (batch ->> 'worker')::bigint;
  lease constant interval := make_interval(secs => (batch ->> 'lease_s')::float8);
BEGIN
  RETURN QUERY
  WITH free AS MATERIALIZED (
    SELECT j.id, j.kind, j.crashes FROM jobs j
     WHERE j.id = ANY (ARRAY(SELECT jsonb_array_elements_text(batch -> 'jobs')))
       AND j.status = 'queued' AND j.run_after <= now() AND batch -> 'kinds' ? j.kind
     ORDER BY j.id FOR UPDATE SKIP LOCKED
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
    RETURNING j.id, j.tenant_id, j.kind, j.title, j.args, j.fence, j.attempt
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, type, data)
    SELECT c.tenant_id, c.id, 'started', jsonb_build_object('attempt', c.attempt, 'worker', the_worker) FROM claimed c
  )
  SELECT c.*, (batch #>> ARRAY['kinds', c.kind, 'timeout_s'])::float8 FROM claimed c;
END $$;

-- running → running: keeps the leases of one worker. Guarded by the fence and not by the lease, so a late beat
-- revives. What is missing from the reply is lost, cancelled, or past its deadline.
CREATE OR REPLACE FUNCTION beat_jobs(batch jsonb) RETURNS TABLE (id text, fence bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  UPDATE workers w SET seen_at = now() WHERE w.id = (batch ->> 'worker')::bigint;
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

-- running → completed, failed or queued, with result, artifacts and event in one statement. `outcome` is how the attempt
-- ended: completed · failed (for good) · errored (again, while attempts are left) · given_back (nothing spent).
CREATE OR REPLACE FUNCTION settle_jobs(batch jsonb) RETURNS TABLE (id text, fence bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH ended AS MATERIALIZED (
    SELECT e.*, (e.outcome IN ('errored', 'failed'))::int AS spent
      FROM jsonb_to_recordset(batch -> 'jobs') AS e (id text, fence bigint, outcome text, after_s float8, result jsonb, result_line text,
             error jsonb, progress jsonb, keep_days float8, artifacts jsonb)
  ), mine AS MATERIALIZED (
    SELECT j.id, j.fence, CASE e.outcome WHEN 'completed' THEN 'completed' WHEN 'failed' THEN 'failed' WHEN 'given_back' THEN 'queued'
                   WHEN 'errored' THEN CASE WHEN j.errors + 1 < j.max_attempts THEN 'queued' ELSE 'failed' END END AS becomes
      FROM ended e JOIN jobs j ON j.id = e.id AND j.fence = e.fence AND j.status = 'running' ORDER BY j.id FOR UPDATE OF j
  ), settled AS (
    UPDATE jobs j
       SET status = m.becomes, errors = j.errors + e.spent, lease_until = NULL, deadline_at = NULL, worker_id = NULL, version = j.version + 1,
           result = e.result, result_line = e.result_line, progress = coalesce(e.progress, j.progress),
           error = CASE WHEN e.outcome = 'given_back' THEN j.error ELSE e.error END,
           run_after = CASE WHEN m.becomes <> 'queued' THEN j.run_after WHEN e.outcome = 'given_back' THEN now()
                            ELSE now() + coalesce(make_interval(secs => e.after_s), backoff(j.errors + 1)) END,
           rung_at = CASE WHEN m.becomes <> 'queued' THEN j.rung_at END,
           finished_at = CASE WHEN m.becomes <> 'queued' THEN now() END,
           keep_until = CASE m.becomes WHEN 'failed' THEN now() + interval '30 days'
                                       WHEN 'completed' THEN now() + make_interval(secs => e.keep_days * 86400) END
      FROM mine m JOIN ended e ON e.id = m.id AND e.fence = m.fence  -- an older attempt may be in the same batch
     WHERE j.id = m.id
    RETURNING j.id, j.tenant_id, j.fence, j.status, j.attempt, e.outcome, e.error, e.artifacts
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, type, data)
    SELECT s.tenant_id, s.id, CASE WHEN s.status = 'queued' AND s.outcome = 'errored' THEN 'retrying'
                                   WHEN s.status = 'queued' THEN s.outcome ELSE s.status END,
           jsonb_strip_nulls(jsonb_build_object('attempt', s.attempt, 'error', s.error))
      FROM settled s
  ), shelved AS (
    INSERT INTO artifacts (tenant_id, job_id, fence, name, position, title, media_type, bytes, sha256)
    SELECT s.tenant_id, s.id, s.fence, a.name, a.position, a.title, a.media_type, a.bytes, decode(a.sha256, 'hex')
      FROM settled s, jsonb_to_recordset(s.artifacts) AS a (name text, position int, title text, media_type text, bytes bigint, sha256 text)
     WHERE s.status = 'completed'
  )
  SELECT s.id, s.fence, s.status FROM settled s;
END $$;

-- running → queued or failed, for rows whose lease is over, and for all rows of `workers` whose death somebody saw.
-- A lease lost without a word is a crash, the third is poison; a deadline that passed is an error like any other.
CREATE OR REPLACE FUNCTION reap_jobs(batch jsonb) RETURNS TABLE (id text, status text, crashes int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  UPDATE workers w SET stopped_at = now()
   WHERE w.name = ANY (ARRAY(SELECT jsonb_array_elements_text(batch -> 'workers'))) AND w.stopped_at IS NULL;
  RETURN QUERY
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
  SELECT r.id, r.status, r.crashes FROM reaped r;
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
       ORDER BY q.run_after LIMIT 1000 FOR UPDATE SKIP LOCKED
    ), crashed AS (
      SELECT q.id FROM jobs q
       WHERE q.status = 'queued' AND q.rung_at IS NULL AND q.run_after <= now() AND q.kind = ANY (known) AND q.crashes > 0
       ORDER BY q.run_after LIMIT calm FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs j SET rung_at = now(), dispatch = j.dispatch + 1
     WHERE j.id IN (SELECT due.id FROM due UNION ALL SELECT crashed.id FROM crashed)
    RETURNING j.id, j.tenant_id, j.queue, j.priority, j.dispatch;
  END IF;
END $$;

-- completed, failed, cancelled → gone, when nobody promised to keep it any longer. Its events stay.
CREATE OR REPLACE FUNCTION expire_jobs(batch jsonb) RETURNS TABLE (id text, tenant_id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH expired AS (
    DELETE FROM jobs j
     WHERE j.id IN (SELECT old.id FROM jobs old WHERE old.keep_until < now() AND old.status IN ('completed', 'failed', 'cancelled')
                     ORDER BY old.keep_until LIMIT 500 FOR UPDATE SKIP LOCKED)
    RETURNING j.id, j.tenant_id, j.kind, j.title
  ), told AS (
    INSERT INTO job_events (tenant_id, job_id, type, data)
    SELECT e.tenant_id, e.id, 'expired', jsonb_build_object('kind', e.kind, 'title', e.title) FROM expired e
  )
  SELECT e.id, e.tenant_id FROM expired e;
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

-- Redeem a one-time link for a session, once. No row: it was used, has expired, or never was.
CREATE OR REPLACE FUNCTION sign_in(batch jsonb) RETURNS TABLE (tenant bigint, principal bigint, name text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH link AS (
    UPDATE sign_in_links l SET used_at = now()
     WHERE l.secret_hash = decode(batch ->> 'link_hash', 'hex') AND l.used_at IS NULL AND l.expires_at > now()
    RETURNING l.tenant_id, l.principal_id
  ), begun AS (
    INSERT INTO sessions (tenant_id, principal_id, secret_hash, expires_at)
    SELECT l.tenant_id, l.principal_id, decode(batch ->> 'session_hash', 'hex'), now() + make_interval(secs => (batch ->> 'lasts_s')::float8) FROM link l
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
GRANT EXECUTE ON FUNCTION current_tenant() TO backburner_door, backburner_hands;
GRANT EXECUTE ON FUNCTION new_job_id(), create_jobs(jsonb), refuse_other_request(bytea, text, text), cancel_jobs(jsonb), organise_jobs(jsonb),
  undo_move(jsonb), see_jobs(jsonb), search_jobs(text), delete_jobs(jsonb) TO backburner_door;
GRANT EXECUTE ON FUNCTION backoff(int), announce_worker(jsonb), claim_jobs(jsonb), beat_jobs(jsonb), progress_jobs(jsonb), settle_jobs(jsonb),
  reap_jobs(jsonb), ring_jobs(jsonb), expire_jobs(jsonb), record_step(jsonb), sign_in(jsonb) TO backburner_hands;
