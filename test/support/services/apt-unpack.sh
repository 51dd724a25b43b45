#!/bin/sh
# Unpacks Debian packages into a folder, without installing them: nothing of this machine changes.
#
# usage: apt-unpack.sh FOLDER PACKAGE...     FOLDER appears when all of it is there
set -eu
exec 9>/run/quantix-test-apt.lock
flock 9
folder=$1
shift
[ ! -d "$folder" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt fetches as a user of its own
cd "$work"
fetch() { apt-get -o Acquire::Retries=2 -o Acquire::http::Timeout=30 download "$@" </dev/null 9>&-; }
fetch "$@" || { apt-get update 9>&- && fetch "$@"; }
for package in ./*.deb; do dpkg-deb -x "$package" unpacked; done
mkdir -p "${folder%/*}"
cp -a unpacked "$folder.$$"
mv "$folder.$$" "$folder"
