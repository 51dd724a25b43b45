#!/bin/sh
# Passwords and keys. Those of the service can be read by its group; those of owner and backup by root alone.
# "backup" is the key of archives: without a copy elsewhere, nobody opens one once this machine is lost.
. "$(dirname -- "$0")/../lib.sh"

secret "$secrets/jwt" 640 root:quantix
secret "$secrets/encryption" 640 root:quantix
secret "$secrets/database-password" 640 root:quantix
secret "$secrets/redis-password" 640 root:quantix
secret "$secrets/backup" 600 root:root
secret "$secrets/database-owner-password" 600 root:root
secret "$secrets/database-backup-password" 600 root:root
