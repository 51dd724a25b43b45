#!/bin/sh
# Passwords and keys. Those of the service can be read by its group; those of owner and backup by root alone.
. "$(dirname -- "$0")/../lib.sh"

secret "$secrets/jwt" 640 root:quantix
secret "$secrets/encryption" 640 root:quantix
secret "$secrets/database-password" 640 root:quantix
secret "$secrets/redis-password" 640 root:quantix
secret "$secrets/database-owner-password" 600 root:root
secret "$secrets/database-backup-password" 600 root:root
