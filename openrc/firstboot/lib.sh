#!/bin/sh
# shellcheck disable=SC2034 # the steps read these variables
#
# What the steps of the first boot share. Each begins with:  . "$(dirname -- "$0")/../lib.sh"
# Only what busybox has may be used here.
#
# Rules for steps: a file is written beside its place and renamed; what exists is kept; a step is judged by what is
# there, never by a mark that it was run.
set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C

if [ -r /etc/conf.d/quantix-firstboot ]; then
  # shellcheck source=/dev/null
  . /etc/conf.d/quantix-firstboot
fi
: "${conf:=/etc/quantix-vdc}"
: "${state:=/var/lib/quantix-vdc}"
: "${done_file:=/var/lib/quantix-firstboot/done}"
: "${pg_version:=$(pg_versions get-default)}"
: "${pg_data:=/var/lib/postgresql/$pg_version/data}"
: "${pg_conf:=/etc/postgresql}"
: "${pg_socket:=/run/postgresql}"
: "${pg_loopback_auth:=scram-sha-256}"
: "${etcd_conf:=/etc/etcd/quantix.yml}"
: "${etcd_data:=/var/lib/etcd/quantix}"
: "${redis_conf:=/etc/redis-quantix.conf}"
: "${redis_data:=/var/lib/redis}"
: "${redis_log:=/var/log/redis/redis.log}"
: "${nginx_conf:=/etc/nginx/quantix.conf}"
: "${admin_name:=admin}"
: "${admin_email:=admin@localhost}"
: "${tls_names:=}"
secrets=$conf/secrets
tls=$conf/tls
restarts=/run/quantix-firstboot

did() { echo "first boot: $*"; }
fail() {
  echo "first boot: $*" >&2
  exit 1
}

# place FILE MODE OWNER: standard input becomes FILE, all of it or nothing.
place() {
  rm -f "$1.firstboot"
  # Made anew: some of these folders belong to others, who might have left a link there.
  (set -C && cat >"$1.firstboot")
  chmod "$2" "$1.firstboot"
  chown "$3" "$1.firstboot"
  # After a power cut there must not be a name without its content.
  sync "$1.firstboot" 2>/dev/null || sync
  mv -f "$1.firstboot" "$1"
  did "wrote $1"
}

# folder PATH MODE OWNER: made if it is missing. Leaves those that exist as they are.
folder() {
  [ -d "$1" ] && return 0
  mkdir -p "${1%/*}"
  mkdir "$1"
  chown "$3" "$1"
  chmod "$2" "$1"
  did "made $1"
}

# secret FILE MODE OWNER: 256 random bits, in letters that need no quoting anywhere.
secret() {
  [ -s "$1" ] && return 0
  value=$(openssl rand -hex 32)
  [ "${#value}" -eq 64 ] || fail "openssl gave no random bytes"
  printf '%s\n' "$value" | place "$1" "$2" "$3"
}

# as USER COMMAND: the command is one word, read by a shell.
as() { su -s /bin/sh -c "$2" "$1"; }

# sql DATABASE: statements on standard input, as the superuser over the socket. The first that fails ends it.
sql() {
  as postgres "cd / && psql -X -q -A -t -v ON_ERROR_STOP=1 -h '$pg_socket' -d '$1'"
}

# use_setting SERVICE LINE: a line of /etc/conf.d/SERVICE that points the service at a file of ours.
# Its package's own file stays as it is. The service is marked for a restart first: a cut leaves no change unused.
use_setting() {
  file=/etc/conf.d/$1
  if [ -e "$file" ] && grep -qxF "$2" "$file"; then return 0; fi
  restart_later "$1"
  content=
  [ ! -e "$file" ] || content=$(cat "$file")
  printf '%s\n\n# Quantix-vDC:\n%s\n' "$content" "$2" | place "$file" 644 root:root
}

restart_later() {
  mkdir -p "$restarts"
  : >"$restarts/$1"
}
