/** What an alert is about: the words in the database and the types of the API, both ways. Pure. */
import type { AlertSourceType } from '../../gen/client/enums.js';

const API_TYPE: Readonly<Partial<Record<AlertSourceType, string>>> = {
  HOST: 'HypervisorNode',
  VM: 'VirtualMachine',
  STORAGE: 'StoragePool',
  NETWORK: 'VirtualNetwork',
  CLUSTER: 'Cluster',
};

export const API_TYPES_OF_SOURCES = Object.entries(API_TYPE);

/** The API type of a source, or null when alerts of that kind are about no object. */
export function apiTypeOf(source: AlertSourceType): string | null {
  return API_TYPE[source] ?? null;
}

/** The source whose objects have this API type; undefined when alerts are never about such objects. */
export function sourceOf(apiType: string): AlertSourceType | undefined {
  const found = Object.entries(API_TYPE).find(([, type]) => type === apiType);
  return found?.[0] as AlertSourceType | undefined;
}
