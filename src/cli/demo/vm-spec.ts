/** The specs of the demo's virtual machines, made from what their applications need. */
import type { VmSpec } from '../../modules/virtual-machine/spec.js';
import { type ClusterName, clusterId } from './clusters.js';
import { demoMac } from './ids.js';
import { imageId, variantOf } from './images.js';
import { APPS, type App, type Machine } from './machines.js';
import { type NetworkName, networkId } from './networks.js';
import { clusterOf, nodeId } from './nodes.js';
import { groupId } from './security.js';
import { volumeId } from './volumes.js';

const isWindows = (app: App): boolean => app.image === 'windows-2025';

export function clusterOfMachine({ node }: Machine): ClusterName {
  return node ? clusterOf(node) : 'production';
}

function cpuOf({ vcpus }: App): VmSpec['cpu'] {
  const sockets = vcpus >= 32 ? 2 : 1;
  return { cores: vcpus / sockets, sockets, threadsPerCore: 1, model: 'host-model' };
}

function disksOf(machine: Machine, app: App): VmSpec['disks'] {
  const root = {
    name: 'root',
    volumeId: volumeId(machine.name, 'root'),
    bus: isWindows(app) ? ('SATA' as const) : ('VIRTIO_BLK' as const),
    cache: 'WRITEBACK' as const,
    bootOrder: 1,
  };
  if (app.disks[1] === undefined) return [root];
  const data = {
    name: 'data',
    volumeId: volumeId(machine.name, 'data'),
    bus: 'VIRTIO_SCSI' as const,
    cache: 'NONE' as const,
    ...(app.tier === 'database' ? { iopsLimit: 20_000 } : {}),
  };
  return [root, data];
}

function nicsOf(machine: Machine, app: App, address: (n: NetworkName) => string): VmSpec['nics'] {
  return app.networks.map((network, index) => ({
    name: `net${index}`,
    networkId: networkId(network),
    // 52:54:00 is what QEMU and KVM guests use
    macAddress: demoMac('52:54:00', `${machine.name}/${index}`),
    ipAddresses: [address(network)],
    securityGroupIds: app.groups.map((group) => groupId(app.project, group)),
    model: isWindows(app) ? ('E1000' as const) : ('VIRTIO' as const),
    ...(network === 'external' ? { bandwidthMbps: 1_000 } : {}),
  }));
}

function provisioningOf({ name }: Machine, app: App): NonNullable<VmSpec['provisioning']> {
  if (isWindows(app)) return { method: 'NONE' };
  return {
    method: 'CLOUD_INIT',
    userData: `#cloud-config\nhostname: ${name}\npackages: [qemu-guest-agent]\n`,
  };
}

/** @param address hands out the next address of a network */
export function specOf(machine: Machine, address: (network: NetworkName) => string): VmSpec {
  const app = APPS[machine.app];
  const inProduction = machine.env === 'prod';
  return {
    cpu: cpuOf(app),
    memory: {
      sizeMib: app.memoryGib * 1_024,
      ...(app.tier === 'database' ? { hugePages: true } : {}),
      ...(app.tier === 'web' ? { balloonMinMib: app.memoryGib * 512 } : {}),
    },
    disks: disksOf(machine, app),
    nics: nicsOf(machine, app, address),
    ...(isWindows(app) ? { cdroms: [{ imageId: imageId(app.image) }] } : {}),
    display: { type: isWindows(app) ? 'SPICE' : 'VNC' },
    boot: {
      firmware: isWindows(app) ? 'UEFI_SECURE_BOOT' : 'UEFI',
      order: isWindows(app) ? ['CDROM', 'DISK'] : ['DISK'],
    },
    placement: {
      clusterId: clusterId(clusterOfMachine(machine)),
      ...(app.boundTo ? { requiredNodeIds: [nodeId(app.boundTo)] } : {}),
      ...(app.apart ? { antiAffinityLabels: { app: machine.app } } : {}),
      policy: app.apart || app.boundTo ? 'HARD' : 'SOFT',
    },
    haPolicy: inProduction
      ? { restart: 'ALWAYS', priority: app.haPriority ?? 3, maxRestarts: 3 }
      : { restart: 'NEVER' },
    guestOs: variantOf(app.image),
    provisioning: provisioningOf(machine, app),
    ...(app.tier === 'database' ? { hotAdd: true } : {}),
  };
}
