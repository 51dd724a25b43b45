#!/bin/sh
# First boot: runs the steps in their order. Each is a program of its own that looks at what is there, does what is
# missing, and says so; so this can be cut off anywhere and run again, as often as one likes.
#
# usage: firstboot.sh     (as root)
set -u
here=$(dirname -- "$0")

if [ "$(id -u)" -ne 0 ]; then
  echo "first boot: only root can do this" >&2
  exit 1
fi

# Two at once would each make secrets. The lock ends with the process, however it ends.
mkdir -p /run/quantix-firstboot
exec 9>/run/quantix-firstboot/lock
if ! flock -n 9; then
  echo "first boot: another run is at work" >&2
  exit 1
fi

for step in "$here"/steps/*.sh; do
  name=${step##*/}
  if ! sh "$step" 9>&-; then
    echo "first boot: the step ${name%.sh} failed; what was done before it stays" >&2
    exit 1
  fi
done
