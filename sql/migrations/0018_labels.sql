-- Jobs find each other by their labels; most jobs have none.

CREATE INDEX jobs_labels ON jobs USING gin (labels jsonb_path_ops) WHERE labels <> '{}';
