#!/bin/sh
# etcd: one member, on the loopback interface.
. "$(dirname -- "$0")/../lib.sh"

if ! [ -s "$etcd_conf" ]; then
  restart_later etcd
  mkdir -p "${etcd_conf%/*}"
  place "$etcd_conf" 644 root:root <<END
# etcd of Quantix-vDC: written by the first boot. Only this machine can reach it.
name: quantix
data-dir: $etcd_data
listen-client-urls: http://127.0.0.1:2379
advertise-client-urls: http://127.0.0.1:2379
listen-peer-urls: http://127.0.0.1:2380
initial-advertise-peer-urls: http://127.0.0.1:2380
initial-cluster: quantix=http://127.0.0.1:2380
initial-cluster-token: quantix-$(openssl rand -hex 8)
initial-cluster-state: new
# Old revisions are of no use here: locks, members and the leader are about now.
auto-compaction-mode: periodic
auto-compaction-retention: "1h"
quota-backend-bytes: 2147483648
END
fi
use_setting etcd "ETCD_CONFIG_FILE=\"$etcd_conf\""
