/** The enumerations within a virtual machine's spec, shared by answers and inputs. */
import { builder } from '../../graphql/builder.js';

/** An enumeration whose values are called as they are stored. */
function kind<const V extends string>(
  name: string,
  description: string,
  values: Record<V, string>,
) {
  const entries = Object.entries<string>(values).map(([value, meaning]) => [
    value,
    { description: meaning },
  ]);
  return builder.enumType(name, {
    description,
    values: Object.fromEntries(entries) as Record<V, { description: string }>,
  });
}

export const DiskBus = kind('DiskBus', 'How a guest sees a disk.', {
  VIRTIO_BLK: 'Paravirtual block device.',
  VIRTIO_SCSI: 'Paravirtual SCSI.',
  NVME: 'NVMe.',
  SATA: 'SATA.',
  IDE: 'IDE, for old guests.',
});
export const DiskCache = kind('DiskCache', "How a disk's writes are cached on the node.", {
  NONE: 'Not at all.',
  WRITEBACK: 'Written later: fast, and lost when the node loses power.',
  WRITETHROUGH: 'Written at once, kept for reading.',
});
export const NicModel = kind('NicModel', 'How a guest sees a network interface.', {
  VIRTIO: 'Paravirtual.',
  E1000: 'Intel E1000, for guests without paravirtual drivers.',
  RTL8139: 'Realtek, for old guests.',
});
export const DisplayType = kind('DisplayType', 'The protocol of a screen.', {
  VNC: 'VNC.',
  SPICE: 'SPICE.',
  NONE: 'No screen.',
});
export const Firmware = kind('Firmware', 'What starts a virtual machine.', {
  BIOS: 'Legacy BIOS.',
  UEFI: 'UEFI.',
  UEFI_SECURE_BOOT: 'UEFI that starts only signed code.',
});
export const BootDevice = kind('BootDevice', 'What a virtual machine boots from.', {
  DISK: 'Its disks, in their boot order.',
  CDROM: 'Its CD-ROM drives.',
  NETWORK: 'PXE.',
});
export const AffinityPolicy = kind('AffinityPolicy', 'How strict affinity is.', {
  HARD: 'A node that breaks it is never chosen.',
  SOFT: 'A node that breaks it is chosen last.',
});
export const RestartPolicy = kind('RestartPolicy', 'When a virtual machine restarts by itself.', {
  ALWAYS: 'Whenever it should run and does not.',
  ON_FAILURE: 'When it or its node failed.',
  NEVER: 'Never.',
});
export const ProvisioningMethod = kind(
  'ProvisioningMethod',
  'What sets a guest up when it first boots.',
  {
    CLOUD_INIT: 'cloud-init.',
    IGNITION: 'Ignition.',
    NONE: 'Nothing.',
  },
);
export const CloneMode = kind('VirtualMachineCloneMode', 'How the volumes of a clone are made.', {
  FULL: 'Copied: they stand on their own.',
  LINKED: 'Sharing the blocks of a snapshot: made at once, and bound to it.',
});
