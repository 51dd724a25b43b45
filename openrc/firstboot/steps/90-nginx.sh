#!/bin/sh
# The web server in front. Its limits come from the configuration.
. "$(dirname -- "$0")/../lib.sh"

if ! [ -s "$nginx_conf" ]; then
  restart_later nginx
  value=$(qx-controlplane config nginx --config "$conf/config.yaml")
  mkdir -p "${nginx_conf%/*}"
  printf '%s\n' "$value" | place "$nginx_conf" 644 root:root
fi
use_setting nginx "cfgfile=\"$nginx_conf\""
# It comes after us in the boot; where it runs already, it follows.
if [ -e "$restarts/nginx" ]; then
  if rc-service -q nginx status >/dev/null 2>&1; then rc-service nginx restart; fi
  rm -f "$restarts/nginx"
fi
