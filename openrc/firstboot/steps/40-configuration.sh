#!/bin/sh
# The program's configuration: every setting, with the files of the secrets.
. "$(dirname -- "$0")/../lib.sh"

[ -s "$conf/config.yaml" ] && exit 0
value=$(qx-controlplane config appliance)
printf '%s\n' "$value" | place "$conf/config.yaml" 640 root:quantix
