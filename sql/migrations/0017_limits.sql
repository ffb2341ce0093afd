-- Of some kinds only so many run at once in a tenant: workers announce how many, and `limits` says otherwise for one tenant.

ALTER TABLE workers ADD COLUMN at_once jsonb NOT NULL DEFAULT '{}';  -- kind -> how many at once in each tenant
