#!/bin/sh
# An authority of this machine's own, and the web server's certificate. The certificate is renewed here as well, by
# the weekly job, as long as it is the authority's: one from elsewhere is its owner's business.
. "$(dirname -- "$0")/../lib.sh"

key() {
  [ -s "$1" ] && return 0
  value=$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)
  printf '%s\n' "$value" | place "$1" 600 root:root
}

if [ -s "$tls/server.crt" ]; then
  openssl verify -no_check_time -CAfile "$tls/ca.crt" "$tls/server.crt" >/dev/null 2>&1 || exit 0
  openssl x509 -checkend 2592000 -noout -in "$tls/server.crt" >/dev/null && exit 0
fi

# Without its key, an authority cannot vouch for anything: a new key would not fit it.
if [ -s "$tls/ca.crt" ] && ! [ -s "$tls/ca.key" ]; then
  fail "$tls/ca.key is missing. Bring it back, or move ca.crt away to have a new authority made"
fi

key "$tls/ca.key"
if ! [ -s "$tls/ca.crt" ]; then
  value=$(openssl req -x509 -new -sha256 -days 3650 -key "$tls/ca.key" \
    -subj "/O=Quantix-vDC/CN=Quantix-vDC authority of $(hostname)" \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign)
  printf '%s\n' "$value" | place "$tls/ca.crt" 644 root:root
fi
key "$tls/server.key"

# What people may type to reach this machine. An entry that is all digits, dots and colons is an address.
host=$(hostname)
addresses=$(ip -o addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }')
names=
for name in $host $(hostname -f 2>/dev/null || true) localhost 127.0.0.1 ::1 $addresses $tls_names; do
  case $name in
    *:*) entry=IP:$name ;;
    *[!0-9.]*) entry=DNS:$name ;;
    *) entry=IP:$name ;;
  esac
  case ",$names," in
    *",$entry,"*) ;;
    *) names=${names:+$names,}$entry ;;
  esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl req -new -sha256 -key "$tls/server.key" -subj "/O=Quantix-vDC/CN=$host" -out "$work/request"
printf '%s\n' "subjectAltName=$names" basicConstraints=critical,CA:FALSE \
  keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth >"$work/extensions"
# Browsers refuse more than 825 days.
value=$(openssl x509 -req -sha256 -days 820 -in "$work/request" -CA "$tls/ca.crt" -CAkey "$tls/ca.key" \
  -set_serial "0x$(openssl rand -hex 16)" -extfile "$work/extensions" 2>/dev/null)
# With the authority behind it, as servers send it.
printf '%s\n' "$value" "$(cat "$tls/ca.crt")" | place "$tls/server.crt" 644 root:root
did "the certificate is for $names"
