/** What this machine has, as far as programs on it may use it. */
import { availableParallelism, totalmem } from 'node:os';

export interface Machine {
  readonly memoryBytes: number;
  readonly cores: number;
}

export function machineHere(): Machine {
  // A container may have been given less than the machine has. 0, or a huge number, is no limit.
  const limit = process.constrainedMemory();
  const total = totalmem();
  return {
    memoryBytes: limit > 0 && limit < total ? limit : total,
    cores: availableParallelism(),
  };
}
