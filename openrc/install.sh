#!/bin/sh
# Lays the appliance's files into a root: services, their settings, first boot, rotation of logs, and the command.
#
# usage: sh openrc/install.sh            into this machine, as root
#        DESTDIR=/mnt sh openrc/install.sh   into another root (an image, a package)
#
# The program itself stays where it is: PROGRAM names its folder as the running machine will see it (default: the
# one above this script). Settings that are there already are kept; a new version of one lies beside it as NAME.new.
set -eu

here=$(cd -- "$(dirname -- "$0")" && pwd)
root=${DESTDIR:-}
program=${PROGRAM:-$(dirname -- "$here")}

# lay MODE SOURCE TARGET: replaces what is there, in one step
lay() {
  mkdir -p "$root${3%/*}"
  cp "$2" "$root$3.installing"
  chmod "$1" "$root$3.installing"
  mv -f "$root$3.installing" "$root$3"
  echo "installed $3"
}

# lay_setting SOURCE TARGET: for files that people edit
lay_setting() {
  if [ ! -e "$root$2" ]; then
    lay 644 "$1" "$2"
  elif cmp -s "$1" "$root$2"; then
    rm -f "$root$2.new"
  else
    lay 644 "$1" "$2.new"
    echo "kept $2, which differs from this version's" >&2
  fi
}

# Both are written into the command below, which a shell reads.
case $program in
  *[!A-Za-z0-9/._-]*)
    echo "PROGRAM is $program: only letters, digits and / . _ - may be in it" >&2
    exit 2
    ;;
  /*) ;;
  *)
    echo "PROGRAM is $program: it has to begin with /" >&2
    exit 2
    ;;
esac

for service in quantix-firstboot quantix-controlplane; do
  lay 755 "$here/init.d/$service" "/etc/init.d/$service"
  lay_setting "$here/conf.d/$service" "/etc/conf.d/$service"
done
lay_setting "$here/rc.conf.d/quantix.conf" /etc/rc.conf.d/quantix.conf
for part in "$here"/firstboot/*.sh; do
  lay 755 "$part" "/usr/lib/quantix-vdc-appliance/${part##*/}"
done
for step in "$here"/firstboot/steps/*.sh; do
  lay 755 "$step" "/usr/lib/quantix-vdc-appliance/steps/${step##*/}"
done
lay_setting "$here/logrotate.d/quantix-vdc" /etc/logrotate.d/quantix-vdc
lay 755 "$here/periodic/weekly/quantix-certificate" /etc/periodic/weekly/quantix-certificate
lay 755 "$here/periodic/daily/backup-quantix" /etc/periodic/daily/backup-quantix
lay_setting "$here/conf.d/quantix-backup" /etc/conf.d/quantix-backup

mkdir -p "$root/usr/bin"
cat >"$root/usr/bin/qx-controlplane.installing" <<END
#!/bin/sh
exec node "$program/dist/main.js" "\$@"
END
chmod 755 "$root/usr/bin/qx-controlplane.installing"
mv -f "$root/usr/bin/qx-controlplane.installing" "$root/usr/bin/qx-controlplane"
echo "installed /usr/bin/qx-controlplane, for the program in $program"
