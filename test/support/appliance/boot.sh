#!/bin/sh
# Boots a machine like Alpine's out of this one's programs: busybox as init and shell, OpenRC, and roots of its own for
# files, processes and network. Nothing of it is seen outside, and all of it ends with its first process.
#
# usage: unshare --mount --pid --fork --net --uts --kill-child=KILL boot.sh FOLDER OPENRC PROGRAM
#   FOLDER   a kept folder: FOLDER/root has the files that are the machine's own, FOLDER/console what it says
#   OPENRC   the unpacked packages of OpenRC, and of what else Alpine has and nobody should have to install here
#   PROGRAM  the program's folder, as it will be seen at /usr/lib/quantix-vdc
set -eu
folder=$1
openrc=$2
program=$3
root=$folder/root
here=$(cd -- "$(dirname -- "$0")" && pwd)

mount --make-rprivate /
mkdir -p "$root/proc" "$root/dev" "$root/run" "$root/tmp" "$root/usr" "$root/root" "$root/var/log/postgresql" \
  "$root/var/lib/postgresql" "$root/var/lib/redis" "$root/var/lib/etcd" "$root/var/log/nginx" "$root/var/lib/nginx" \
  "$root/var/log/redis" "$root/etc/runlevels/sysinit" "$root/etc/runlevels/boot" "$root/etc/runlevels/default" \
  "$root/etc/runlevels/shutdown" "$root/etc/nginx" "$root/etc/conf.d" "$root/etc/postgresql"

# Programs of the outer machine under a layer of our own, which is kept with the rest of the machine's files. A layer
# may not lie on a layered file system, as folders of containers do; one in memory is gone with the machine.
mount -t tmpfs -o mode=755 layers "$root/run"
mkdir -p "$root/run/upper" "$root/run/work" "$root/run/openrc-layer"
for part in bin sbin lib usr/bin usr/sbin usr/lib; do
  [ ! -d "$openrc/$part" ] || cp -a "$openrc/$part" "$root/run/openrc-layer/"
done

# What Alpine has from busybox comes from busybox; it has no su here.
mkdir "$root/run/upper/bin"
busybox --install -s "$root/run/upper/bin"
(cd "$root/run/upper/bin" && rm -f start-stop-daemon busybox init)
cp -a "$here/root/usr/." "$root/usr/." "$root/run/upper/"
mount -t overlay usr -o "lowerdir=$root/run/openrc-layer:/usr,upperdir=$root/run/upper,workdir=$root/run/work" "$root/usr"
ln -sfn /run "$root/var/run"
for name in bin sbin lib; do ln -sfn "usr/$name" "$root/$name"; done
[ ! -e /usr/lib64 ] || ln -sfn usr/lib64 "$root/lib64"
mount -t tmpfs -o mode=755 run "$root/run"

cp "$(command -v busybox)" "$root/usr/bin/busybox.machine"
mv -f "$root/usr/bin/busybox.machine" "$root/usr/bin/busybox"
ln -sf /usr/bin/busybox "$root/usr/sbin/init"
versions=/usr/lib/postgresql
version=$(for one in "$versions"/*/; do basename "$one"; done | sort -n | tail -1)
for name in initdb pg_ctl psql postgres; do ln -sf "$versions/$version/bin/$name" "$root/usr/bin/$name"; done
mkdir -p "$root/usr/lib/quantix-vdc"
mount --bind "$program" "$root/usr/lib/quantix-vdc"
mount -o remount,bind,ro "$root/usr/lib/quantix-vdc"

if ! [ -e "$root/etc/passwd" ]; then
  # The files that packages would have brought: once, because from then on the machine changes them.
  cp -a "$here/root/etc/." "$root/etc/"
  cp -a /etc/ssl "$root/etc/"
  [ ! -d "$openrc/etc" ] || cp -an "$openrc/etc/rc.conf" "$root/etc/"
  : >"$root/etc/insserv.conf" # Debian's OpenRC asks for it
  printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\ntty:x:5:\n' >"$root/etc/group"
  id=100
  for name in postgres redis etcd nginx; do
    echo "$name:x:$id:$id:$name:/var/lib/$name:/sbin/nologin" >>"$root/etc/passwd"
    echo "$name:x:$id:" >>"$root/etc/group"
    id=$((id + 1))
  done
  chown 100:100 "$root/var/lib/postgresql" "$root/var/log/postgresql" "$root/etc/postgresql"
  chown 101:101 "$root/var/lib/redis" "$root/var/log/redis"
  chown 102:102 "$root/var/lib/etcd"
fi
chmod 1777 "$root/tmp"

mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero random urandom full tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm"
mount -t tmpfs shm "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
mkfifo -m 600 "$root/dev/console"
cat "$root/dev/console" >>"$folder/console" &

hostname "$(cat "$root/etc/hostname")"
cd "$root"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /sbin/init
