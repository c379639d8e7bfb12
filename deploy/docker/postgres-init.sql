-- Run by the postgres image when the volume is empty, and by hand on one of an earlier release (docs/docker.md): a role
-- that owns the database and migrates it, and the services' role, which owns nothing. May be run again.
\getenv owner_password OWNER_PASSWORD
\getenv password DATABASE_PASSWORD
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['tracetrack_owner', 'tracetrack']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE tracetrack_owner PASSWORD :'owner_password';
ALTER ROLE tracetrack PASSWORD :'password';
SELECT 'CREATE DATABASE tracetrack OWNER tracetrack_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'tracetrack') \gexec
\connect tracetrack
REASSIGN OWNED BY tracetrack TO tracetrack_owner;
