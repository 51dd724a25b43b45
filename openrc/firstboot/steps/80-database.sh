#!/bin/sh
# The roles and the database: docs/database.md. Passwords go in on standard input, where "ps" does not show them, and
# are letters and digits only.
. "$(dirname -- "$0")/../lib.sh"

# role NAME FILE [OPTIONS]
role() {
  if [ "$(echo "SELECT 1 FROM pg_roles WHERE rolname = '$1';" | sql postgres)" = 1 ]; then return 0; fi
  # One statement: there is no role without its password. The log must not have it, and this session alone is silent.
  printf "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'; CREATE ROLE %s LOGIN PASSWORD '%s' %s;\n" \
    "$1" "$(cat "$2")" "${3:-}" | sql postgres
  did "made the role $1"
}

# The owner makes a database to restore into, and the role of backups one to prove an archive in.
role quantix_owner "$secrets/database-owner-password" CREATEDB
role quantix "$secrets/database-password"
role quantix_backup "$secrets/database-backup-password" "CREATEDB IN ROLE pg_read_all_data"

if [ "$(echo "SELECT 1 FROM pg_database WHERE datname = 'quantix_vdc';" | sql postgres)" != 1 ]; then
  echo "CREATE DATABASE quantix_vdc OWNER quantix_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';" | sql postgres
  did "made the database quantix_vdc"
fi
# Said again each time: it changes nothing where it is so already.
sql postgres <<END
REVOKE ALL ON DATABASE quantix_vdc FROM PUBLIC;
GRANT CONNECT ON DATABASE quantix_vdc TO quantix, quantix_backup;
END
echo "ALTER SCHEMA public OWNER TO quantix_owner;" | sql quantix_vdc
