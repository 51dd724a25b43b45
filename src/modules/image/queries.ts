/** Images: who sees them, and the list. Without a project they are for every user, and so are public ones; others are published to single projects. */
import { defineEntity, ofProject } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { flag, oneOf, range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const ImageEntity = defineEntity({
  type: 'Image',
  model: 'image',
  label: 'name',
  visibility: ofProject('projectId', 'image:read', {
    shared: true,
    publicColumn: 'public',
    shares: 'shares',
  }),
  projectColumn: 'projectId',
});

export const ImageFormatEnum = builder.enumType('ImageFormat', {
  description: 'How the content of an image is written.',
  values: {
    RAW: { value: enums.ImageFormat.RAW, description: 'Block by block.' },
    QCOW2: { value: enums.ImageFormat.QCOW2, description: 'The format of QEMU.' },
    VMDK: { value: enums.ImageFormat.VMDK, description: 'The format of VMware.' },
    VHD: { value: enums.ImageFormat.VHD, description: 'The format of Hyper-V.' },
    ISO: { value: enums.ImageFormat.ISO, description: 'An optical disc, to install from.' },
    OVA: { value: enums.ImageFormat.OVA, description: 'An archive with a machine and its disks.' },
  },
});

export const ImagePhaseEnum = builder.enumType('ImagePhase', {
  description: 'The state of an image.',
  values: {
    PENDING: { value: enums.ImagePhase.PENDING, description: 'Declared, without content yet.' },
    DOWNLOADING: { value: enums.ImagePhase.DOWNLOADING, description: 'Its content is coming in.' },
    CONVERTING: {
      value: enums.ImagePhase.CONVERTING,
      description: 'Its content is being brought into the format of its pool.',
    },
    AVAILABLE: { value: enums.ImagePhase.AVAILABLE, description: 'Usable.' },
    ERROR: {
      value: enums.ImagePhase.ERROR,
      description: 'Not usable: its content did not arrive.',
    },
    DELETING: { value: enums.ImagePhase.DELETING, description: 'Being removed.' },
  },
});

export const images = declareList(ImageEntity, {
  filter: {
    name: text(),
    description: text(),
    osType: text(),
    osVariant: text(),
    format: oneOf('ImageFormat', ImageFormatEnum),
    phase: oneOf('ImagePhase', ImagePhaseEnum),
    public: flag(),
    pool: ref('poolId', 'StoragePool'),
    project: ref('projectId', 'Project'),
    sizeBytes: range('BigInt'),
    minCpu: range('Int'),
    minMemoryMib: range('Int'),
    minDiskGib: range('Int'),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { NAME: 'name', CREATED_AT: 'createdAt' },
});
