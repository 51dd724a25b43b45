/** A simulated hypervisor that has been at work for a while: it holds virtual machines in the states they are said to be in. */
import { createSimulatedHypervisor, type SimulatedHypervisor } from './simulated-hypervisor.js';
import type { Assignment, ObservedVm, PowerState } from './types.js';

export interface HeldVm {
  readonly virtualMachineId: string;
  readonly name: string;
  readonly powerState: PowerState;
  readonly generation: number;
  readonly ipAddresses: readonly string[];
  readonly spec: Assignment['spec'];
}

/** Long enough ago for every operation to be over. */
const AGO_MS = 3_600_000;

export function preloadedHypervisor(seed: string, held: readonly HeldVm[]): SimulatedHypervisor {
  let shiftMs = AGO_MS;
  const started = performance.timeOrigin;
  const hypervisor = createSimulatedHypervisor({
    seed,
    clock: { now: () => started + performance.now() - shiftMs },
  });
  for (const vm of held) {
    if (vm.powerState === 'UNKNOWN') continue;
    const { virtualMachineId, name, generation, spec, powerState } = vm;
    const desiredState = powerState === 'CRASHED' ? 'RUNNING' : powerState;
    hypervisor.apply({
      virtualMachineId,
      name,
      generation,
      spec,
      desiredState,
      operation: null,
      force: false,
      graceMs: 0,
    });
  }
  shiftMs = 0;
  hypervisor.observe();
  for (const vm of held) if (vm.powerState === 'CRASHED') hypervisor.crash(vm.virtualMachineId);

  const addresses = new Map(held.map((vm) => [vm.virtualMachineId, vm.ipAddresses]));
  const unknown = held.filter((vm) => vm.powerState === 'UNKNOWN').map(unknownVm);
  return {
    ...hypervisor,
    observe: () => [
      ...hypervisor.observe().map((vm) => withAddresses(vm, addresses.get(vm.virtualMachineId))),
      ...unknown,
    ],
  };
}

function withAddresses(vm: ObservedVm, known: readonly string[] | undefined): ObservedVm {
  return vm.powerState === 'RUNNING' && known ? { ...vm, ipAddresses: [...known] } : vm;
}

/** A machine that this hypervisor has lost its connection to. */
function unknownVm(vm: HeldVm): ObservedVm {
  return {
    virtualMachineId: vm.virtualMachineId,
    powerState: 'UNKNOWN',
    generation: vm.generation,
    operation: null,
    progressPercent: null,
    error: null,
    ipAddresses: [],
    guestAgentRunning: false,
    cpuPercent: 0,
    memoryUsedMib: 0,
    uptimeSeconds: 0,
  };
}
