#!/bin/sh
# The tables. The owner's credentials are given to this one command: the service never has them.
. "$(dirname -- "$0")/../lib.sh"

done=$(QUANTIX_DATABASE_MIGRATION_USER=quantix_owner \
  QUANTIX_DATABASE_MIGRATION_PASSWORD_FILE=$secrets/database-owner-password \
  qx-controlplane migrate up --config "$conf/config.yaml")
[ "$done" = "nothing to do" ] || printf '%s\n' "$done"
