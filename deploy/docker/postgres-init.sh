#!/bin/bash
# First start only: a database and a role for each service, which sees no other's.
set -euo pipefail
for service in registry cases stats notify; do
  variable="POSTGRES_PASSWORD_${service^^}"
  psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set name="$service" --set password="${!variable:?}" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
