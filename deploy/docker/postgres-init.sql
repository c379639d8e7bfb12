-- Run once, by the postgres image, when the volume is empty: a role that owns its database and nothing else.
\getenv password DATABASE_PASSWORD
CREATE ROLE tracetrack LOGIN PASSWORD :'password';
CREATE DATABASE tracetrack OWNER tracetrack;
