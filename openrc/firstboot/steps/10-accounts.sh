#!/bin/sh
# The account of the service, and the folders.
. "$(dirname -- "$0")/../lib.sh"

if ! grep -q '^quantix:' /etc/group; then
  addgroup -S quantix
  did "made the group quantix"
fi
if ! grep -q '^quantix:' /etc/passwd; then
  adduser -S -D -H -h "$state" -s /sbin/nologin -G quantix -g "Quantix-vDC" quantix
  did "made the user quantix"
fi
folder "$conf" 755 root:root
folder "$secrets" 750 root:quantix
folder "$tls" 755 root:root
folder "$state" 750 quantix:quantix
