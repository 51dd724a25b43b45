#!/bin/sh
# Installs the first of the given Debian packages that can be had. Its service is not started, now or
# at boot: a test run must not turn the machine into a database server.
#
# usage: apt-install.sh PACKAGE [ALTERNATIVE...]     (as root)
# Test runs that start together take turns. Package lists are fetched only when the ones at hand do
# not do, because a machine that has them should not need the network for that.
set -u
exec 9>/run/quantix-test-apt.lock
flock 9

# invoke-rc.d and deb-systemd-invoke ask this program whether a service may be started; 101 says no.
# A file of the machine's owner stays as it is; one of ours that a killed run left behind is replaced.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] || grep -q '^# quantix-test:' "$policy"; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\n# quantix-test: written while test servers are being installed\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt() {
  apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 -o Acquire::http::Timeout=30 "$@" </dev/null 9>&-
}

services_before=$(ls /etc/init.d)

install_one_of() {
  for package in "$@"; do
    apt install --yes --no-install-recommends --no-upgrade "$package" && return 0
  done
  return 1
}

install_one_of "$@" || { apt update && install_one_of "$@"; } || exit 1

for script in /etc/init.d/*; do
  service=${script##*/}
  echo "$services_before" | grep -qx "$service" || update-rc.d "$service" disable
done
