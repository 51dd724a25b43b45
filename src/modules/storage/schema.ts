/** Storage in the API: pools and volumes. */
import './pool-schema.js';
import './volume-schema.js';

export { StoragePoolRef } from './pool-schema.js';
export { VolumeRef } from './volume-schema.js';
