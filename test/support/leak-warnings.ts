/** Node warns once of each signal or emitter that gathers listeners, on stderr: whoever reads that at night looks for a leak. */

/** Those of this process and of the programs it has started, since they were last taken. */
const warned: string[] = [];
const NAME = 'MaxListenersExceededWarning';

export function noteLeakWarning(warning: Error): void {
  if (warning.name === NAME) warned.push(String(warning.stack));
}

/** @param stderr what a program has written there */
export function noteLeakWarningsIn(stderr: string): void {
  if (stderr.includes(NAME)) warned.push(stderr);
}

export function takeLeakWarnings(): string[] {
  return warned.splice(0);
}
