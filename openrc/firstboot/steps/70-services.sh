#!/bin/sh
# PostgreSQL, etcd and Redis run with what the steps before have written, and answer.
. "$(dirname -- "$0")/../lib.sh"

# answers SERVICE: a supervisor that was started says nothing about the program that it starts again and again
answers() {
  case $1 in
    postgresql) [ "$(echo "SHOW hba_file;" | sql postgres 2>/dev/null)" = "$pg_conf/quantix-hba.conf" ] ;;
    etcd) timeout 2 wget -q -O - http://127.0.0.1:2379/health 2>/dev/null | grep -q '"health":"true"' ;;
    redis) [ "$(REDISCLI_AUTH=$(cat "$secrets/redis-password") redis-cli -h 127.0.0.1 ping 2>/dev/null)" = PONG ] ;;
  esac
}

for service in postgresql etcd redis; do
  if [ -e "$restarts/$service" ]; then
    rc-service "$service" restart
    rm -f "$restarts/$service"
    did "restarted $service"
  elif ! answers "$service"; then
    rc-service "$service" restart
    did "started $service"
  fi
done

for service in postgresql etcd redis; do
  left=150
  until answers "$service"; do
    [ "$left" -gt 0 ] || fail "$service does not answer: its log says why"
    left=$((left - 1))
    sleep 0.2
  done
done
