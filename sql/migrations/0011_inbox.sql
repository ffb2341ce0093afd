-- The few questions that are put to somebody by name stand apart: who else waits is found without reading all that wait.

CREATE INDEX asks_put_to ON asks (tenant_id, asked_at, id) WHERE for_person IS NOT NULL AND answered_at IS NULL AND withdrawn_at IS NULL;
DROP INDEX asks_open;
CREATE INDEX asks_open ON asks (tenant_id, asked_at, id) WHERE answered_at IS NULL AND withdrawn_at IS NULL;
