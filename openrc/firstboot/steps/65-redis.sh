#!/bin/sh
# Redis: on the loopback interface, with a password. When its memory is full it refuses writes rather than throw
# sessions away, and the program goes on without what it could not write.
. "$(dirname -- "$0")/../lib.sh"

if ! [ -s "$redis_conf" ]; then
  restart_later redis
  # An eighth of the machine, in MiB.
  memory=$(awk '/^MemTotal:/ { print int($2 / 1024 / 8) }' /proc/meminfo)
  place "$redis_conf" 640 root:redis <<END
# Redis of Quantix-vDC: written by the first boot. Only this machine can reach it.
bind 127.0.0.1 -::1
port 6379
protected-mode yes
requirepass $(cat "$secrets/redis-password")
dir $redis_data
# Its service throws away what it prints.
logfile $redis_log
dbfilename quantix.rdb
# Sessions should survive a restart; nothing else here has to.
save 60 1
appendonly no
# A disk that is full costs what a restart would have kept, and no sign-in.
stop-writes-on-bgsave-error no
maxmemory ${memory}mb
maxmemory-policy noeviction
END
fi
use_setting redis "cfgfile=\"$redis_conf\""
