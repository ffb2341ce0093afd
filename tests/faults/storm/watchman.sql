-- Writes down whatever must never happen, in the moment in which it does. Outside the schema `backburner`, so that
-- `migrate` leaves it alone; as the superuser, so that no policy hides anything from it.

CREATE SCHEMA watchman;
CREATE TABLE watchman.seen (at timestamptz NOT NULL DEFAULT clock_timestamp(), job text NOT NULL, what text NOT NULL);

CREATE FUNCTION watchman.job_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = backburner, pg_catalog AS $$
BEGIN
  IF old.finished_at IS NOT NULL AND
     (new.status, new.fence, new.attempt, new.errors, new.crashes, new.result, new.error, new.progress, new.finished_at) IS DISTINCT FROM
     (old.status, old.fence, old.attempt, old.errors, old.crashes, old.result, old.error, old.progress, old.finished_at) THEN
    INSERT INTO watchman.seen (job, what) VALUES (new.id, format('I5: it had ended as %s and moved to %s', old.status, new.status));
  END IF;
  IF old.status <> new.status AND (old.status, new.status) NOT IN (
       ('queued', 'running'), ('queued', 'cancelled'), ('waiting', 'queued'), ('waiting', 'cancelled'), ('running', 'queued'), ('running', 'waiting'),
       ('running', 'completed'), ('running', 'failed'), ('running', 'cancelled')) THEN
    INSERT INTO watchman.seen (job, what) VALUES (new.id, format('it went from %s to %s', old.status, new.status));
  END IF;
  IF new.fence < old.fence OR new.version < old.version OR new.errors < old.errors OR new.crashes < old.crashes THEN
    INSERT INTO watchman.seen (job, what) VALUES (new.id, 'I4: a number that only grows went back');
  END IF;
  IF old.status <> new.status AND new.version = old.version THEN
    INSERT INTO watchman.seen (job, what) VALUES (new.id, format('I4: it went from %s to %s without another version', old.status, new.status));
  END IF;
  IF new.status = 'completed' AND new.result ? 'fence' AND (new.result ->> 'fence')::bigint <> new.fence THEN
    INSERT INTO watchman.seen (job, what) VALUES (new.id, format('I3: attempt %s wrote the result of attempt %s', new.fence, new.result ->> 'fence'));
  END IF;
  IF new.progress IS DISTINCT FROM old.progress AND new.progress ->> 'message' LIKE 'fence %' AND new.progress ->> 'message' <> format('fence %s', new.fence) THEN
    INSERT INTO watchman.seen (job, what) VALUES (new.id, format('I3: %s was said of it while attempt %s held it', new.progress ->> 'message', new.fence));
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION watchman.step_recorded() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = backburner, pg_catalog AS $$
BEGIN
  -- Older than its job: a redo took it over.
  IF NOT EXISTS (SELECT FROM jobs j WHERE j.id = new.job_id AND new.recorded_at < j.created_at OR j.id = new.job_id AND j.status = 'running'
                    AND (jsonb_typeof(new.value) <> 'object' OR NOT new.value ? 'fence' OR (new.value ->> 'fence')::bigint = j.fence)) THEN
    INSERT INTO watchman.seen (job, what) VALUES (new.job_id, format('I3: step %s was recorded by an attempt that had lost it', new.name));
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION watchman.step_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = backburner, pg_catalog AS $$
BEGIN
  INSERT INTO watchman.seen (job, what) VALUES (new.job_id, format('I2: step %s was done again: %s, then %s', new.name, old.value, new.value));
  RETURN NULL;
END $$;

CREATE FUNCTION watchman.file_shelved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = backburner, pg_catalog AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM jobs j WHERE j.id = new.job_id AND j.status = 'completed' AND j.fence = new.fence) THEN
    INSERT INTO watchman.seen (job, what) VALUES (new.job_id, format('I3: %s was shelved by an attempt that did not complete it', new.name));
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER watchman AFTER UPDATE ON backburner.jobs FOR EACH ROW EXECUTE FUNCTION watchman.job_moved();
CREATE TRIGGER watchman AFTER INSERT ON backburner.job_steps FOR EACH ROW EXECUTE FUNCTION watchman.step_recorded();
CREATE TRIGGER watchman_again AFTER UPDATE ON backburner.job_steps FOR EACH ROW WHEN (new.value IS DISTINCT FROM old.value)
  EXECUTE FUNCTION watchman.step_changed();
CREATE TRIGGER watchman AFTER INSERT ON backburner.artifacts FOR EACH ROW EXECUTE FUNCTION watchman.file_shelved();
