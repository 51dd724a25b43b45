#!/bin/sh
# PostgreSQL: the cluster, if its package's service has not made it already, and our settings beside its own.
. "$(dirname -- "$0")/../lib.sh"

# Alpine's folders: data in one, the settings in another, with links to them from the first.
if ! [ -e "$pg_data/PG_VERSION" ]; then
  if [ -d "$pg_data" ] && [ -n "$(ls -A "$pg_data")" ]; then
    fail "$pg_data holds something that is not a PostgreSQL cluster. Look at it, and move it away"
  fi
  draft=$pg_data.firstboot
  rm -rf "$draft"
  mkdir -p "${pg_data%/*}"
  chown postgres:postgres "${pg_data%/*}"
  as postgres "cd / && initdb --encoding=UTF8 --locale=C --auth-local=peer --auth-host=scram-sha-256 -D '$draft'" >/dev/null
  [ ! -d "$pg_data" ] || rmdir "$pg_data"
  mv "$draft" "$pg_data"
  did "made a PostgreSQL $pg_version cluster in $pg_data"
fi

[ -d "$pg_conf" ] || folder "$pg_conf" 750 postgres:postgres
for name in postgresql.conf pg_hba.conf pg_ident.conf; do
  if [ -f "$pg_data/$name" ] && ! [ -L "$pg_data/$name" ] && ! [ -e "$pg_conf/$name" ]; then
    mv "$pg_data/$name" "$pg_conf/$name"
  fi
  # A cut between the two leaves the file moved, and no link.
  [ -e "$pg_data/$name" ] || ln -s "$pg_conf/$name" "$pg_data/$name"
done

# Who may connect. A file of our own: its package's stays as it is, and is not asked any more.
case $pg_loopback_auth in
  scram-sha-256 | trust) ;;
  *) fail "pg_loopback_auth is \"$pg_loopback_auth\": it takes scram-sha-256 or trust" ;;
esac
if ! [ -s "$pg_conf/quantix-hba.conf" ]; then
  restart_later postgresql
  place "$pg_conf/quantix-hba.conf" 640 postgres:postgres <<END
# Who may connect to PostgreSQL. Written by the first boot; the first line that fits decides.
# type  database     user      address       method
local   all          postgres                peer
host    all          postgres  all           reject
local   all          all                     scram-sha-256
host    all          all       127.0.0.1/32  $pg_loopback_auth
host    all          all       ::1/128       $pg_loopback_auth
END
fi

folder "$pg_conf/quantix.d" 750 postgres:postgres
if ! [ -s "$pg_conf/quantix.d/10-access.conf" ]; then
  restart_later postgresql
  place "$pg_conf/quantix.d/10-access.conf" 640 postgres:postgres <<END
# Written by the first boot of Quantix-vDC.
listen_addresses = 'localhost'
password_encryption = 'scram-sha-256'
hba_file = '$pg_conf/quantix-hba.conf'
log_timezone = 'UTC'
idle_in_transaction_session_timeout = '10min'
END
fi
if ! [ -s "$pg_conf/quantix.d/20-tuning.conf" ]; then
  restart_later postgresql
  value=$(qx-controlplane config postgresql --config "$conf/config.yaml")
  printf '%s\n' "$value" | place "$pg_conf/quantix.d/20-tuning.conf" 640 postgres:postgres
fi

# The one line of ours in its package's file.
line="include_dir = '$pg_conf/quantix.d'"
if ! grep -qxF "$line" "$pg_conf/postgresql.conf"; then
  restart_later postgresql
  content=$(cat "$pg_conf/postgresql.conf")
  printf '%s\n\n# Quantix-vDC: what is in there counts over everything above.\n%s\n' "$content" "$line" |
    place "$pg_conf/postgresql.conf" 640 postgres:postgres
fi
