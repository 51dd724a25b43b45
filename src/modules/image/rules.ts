/** Images: phases, where they may come from, and what a machine needs to run one. Pure. */
import ipaddr from 'ipaddr.js';
import { InvalidStateError } from '../../errors.js';
import type { ImagePhase } from '../../gen/client/enums.js';

export type ImageOperation = 'DELETE' | 'USE';

/** One whose content never came, and at which nobody is at work any more, can be deleted like one that is in ERROR. */
export const IMAGE_OPERATIONS: Readonly<Record<ImageOperation, readonly ImagePhase[]>> = {
  DELETE: ['PENDING', 'DOWNLOADING', 'CONVERTING', 'AVAILABLE', 'ERROR'],
  USE: ['AVAILABLE'],
};

/** @throws InvalidStateError naming the phase and what is possible instead */
export function decideImage(operation: ImageOperation, phase: ImagePhase): void {
  if (IMAGE_OPERATIONS[operation].includes(phase)) return;
  const all = Object.keys(IMAGE_OPERATIONS) as ImageOperation[];
  const allowed = all.filter((name) => IMAGE_OPERATIONS[name].includes(phase));
  throw new InvalidStateError(`${operation} of the image`, phase, allowed);
}

/** Projects that an image can be published to; who sees an image is read with each one that is shown. */
export const MAX_SHARES = 500;

const NOT_FROM = ['loopback', 'linkLocal', 'unspecified', 'broadcast', 'multicast'];

/**
 * What is wrong with the address of an image, or null. The node fetches it: its own services and those of its link
 * (metadata of clouds) must not become somebody's image. Names that resolve to such addresses are for the agent to refuse.
 */
export function faultOfSource(text: string): string | null {
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    return 'must be an address that begins with https:// or http://';
  if (url.username !== '' || url.password !== '')
    return 'must not hold a user name or password: everybody who sees the image sees it';
  if (url.hash !== '') return 'must not have a part behind #';
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const own = host === 'localhost' || host.endsWith('.localhost');
  const near = ipaddr.isValid(host) && NOT_FROM.includes(ipaddr.process(host).range());
  return own || near ? 'must not be an address of the node itself or of its link' : null;
}

/** What the image asks for at least. */
export interface ImageMinimums {
  readonly minCpu: number;
  readonly minMemoryMib: number;
  readonly minDiskGib: number;
}

export interface Shortfall {
  readonly resource: 'vcpus' | 'memoryMib' | 'diskGib';
  readonly needed: number;
  readonly given: number;
  /** For people. */
  readonly message: string;
}

/** Where a machine is too small for the image; empty when it fits. `diskGib`: its root disk; absent: it has none to judge. */
export function imageShortfalls(
  image: ImageMinimums,
  given: { readonly vcpus: number; readonly memoryMib: number; readonly diskGib?: number },
): Shortfall[] {
  const pairs = [
    ['vcpus', image.minCpu, given.vcpus, 'vCPUs'],
    ['memoryMib', image.minMemoryMib, given.memoryMib, 'MiB of memory'],
    ['diskGib', image.minDiskGib, given.diskGib, 'GiB of disk'],
  ] as const;
  return pairs.flatMap(([resource, needed, has, unit]) =>
    has === undefined || has >= needed
      ? []
      : [{ resource, needed, given: has, message: `the image needs ${needed} ${unit} at least` }],
  );
}
