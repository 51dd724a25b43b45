#!/bin/sh
# Keeps a test server and its folder from outliving the process that started them.
#
# usage: keeper.sh FOLDER SIGNAL
# The parent holds the other end of our standard input and tells us, one line each:
#   run PID    this process is the server in FOLDER
#   gone       it has ended, and its process id means nothing any more
# The end of the input is the order to clean up. The kernel closes it when the parent dies, even of
# SIGKILL, so nothing has to be polled. SIGNAL makes this kind of server end at once but tidily.
set -u
folder=$1
signal=$2
pid=

while read -r verb argument; do
  case $verb in
    run) pid=$argument ;;
    gone) pid= ;;
  esac
done

children() {
  cat "/proc/$1/task/$1/children" 2>/dev/null || pgrep -P "$1" 2>/dev/null
}

# A process that has ended but that init has not fetched yet (many containers have a slow or no init)
# still takes signals; there is nothing to wait for.
alive() {
  kill -s 0 "$1" 2>/dev/null && ! grep -q '^State:.[ZX]' "/proc/$1/status" 2>/dev/null
}

if [ -n "$pid" ]; then
  # A server that a test paused takes no signal before it is continued.
  family="$pid $(children "$pid" | tr '\n' ' ')"
  # shellcheck disable=SC2086 # one argument for each process is meant
  kill -s "$signal" $family 2>/dev/null
  # shellcheck disable=SC2086
  kill -s CONT $family 2>/dev/null
  tries=0
  while [ "$tries" -lt 50 ] && alive "$pid"; do
    sleep 0.1
    tries=$((tries + 1))
  done
  # shellcheck disable=SC2086
  kill -s KILL $family 2>/dev/null
fi

# PostgreSQL killed with SIGKILL leaves a System V memory segment, which no folder removal frees.
# The seventh line of its lock file, which a clean stop removes, names it: "key id".
lock="$folder/data/postmaster.pid"
if [ -f "$lock" ]; then
  segment=$(sed -n '7s/^ *[0-9]* *//p' "$lock")
  [ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null
fi

case $folder in
  */quantix-test-*) rm -rf -- "$folder" ;;
esac
