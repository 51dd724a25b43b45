#!/bin/sh
# The first administrator. The password is in a file before there is a user for it, until it has been shown: a cut
# shows it once more rather than never.
. "$(dirname -- "$0")/../lib.sh"

pending=$secrets/first-password

show() {
  printf '\n  Quantix-vDC is set up. Sign in as\n\n    user      %s\n    password  %s\n\n  This password is not shown again, and counts for nothing but setting another one.\n\n' \
    "$admin_name" "$(cat "$pending")"
}

if [ "$(echo "SELECT 1 FROM users WHERE role = 'ADMIN' LIMIT 1;" | sql quantix_vdc)" != 1 ]; then
  if ! [ -s "$pending" ]; then
    value=$(openssl rand -hex 10)
    [ "${#value}" -eq 20 ] || fail "openssl gave no random bytes"
    printf '%s\n' "$value" | place "$pending" 600 root:root
  fi
  as quantix "qx-controlplane user create '$admin_name' --email '$admin_email' --role ADMIN --must-change-password --config '$conf/config.yaml'" <"$pending"
  did "made the administrator $admin_name"
fi

# Shown to whoever sits at the machine, and not to a log: OpenRC may write what services print to one.
if [ -s "$pending" ]; then
  if [ -t 1 ]; then
    show
  elif ! show 2>/dev/null >/dev/console; then
    did "there is no console: the password of $admin_name is in $pending. Read it, then remove the file"
    exit 0
  fi
  rm -f "$pending"
fi
