/** Alpine's C library is musl: whatever is native among the packages has to be there for it, too, or `npm ci` on the appliance gives a program that does not load. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Locked {
  readonly version: string;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

const lock = new URL('../../package-lock.json', import.meta.url);
const { packages } = JSON.parse(readFileSync(lock, 'utf8')) as { packages: Record<string, Locked> };
const native = Object.entries(packages).filter(([, { os }]) => os?.includes('linux'));
const builtFor = (libc: string) =>
  native
    .filter(([, locked]) => locked.libc?.includes(libc))
    .map(([path, { version, cpu }]) => `${path.replace(/-(gnu|musl)$/, '')} ${cpu} ${version}`)
    .sort();

it.each(['x64', 'arm64'])('each native package for %s is there for musl as well', (cpu) => {
  const ofThis = (built: readonly string[]) => built.filter((line) => line.includes(` ${cpu} `));
  expect(ofThis(builtFor('glibc')).length).toBeGreaterThan(1);
  expect(ofThis(builtFor('musl'))).toEqual(ofThis(builtFor('glibc')));
});

it('those that name no C library are programs that need none', () => {
  const unnamed = native.filter(([, { libc, cpu }]) => !libc && /x64|arm64/.test(String(cpu)));
  expect(unnamed.filter(([path]) => !path.includes('@typescript/'))).toEqual([]);
  const [path] = unnamed.find(([, { cpu }]) => cpu?.includes(process.arch)) ?? expect.fail();
  const program = readFileSync(new URL(`../../${path}/lib/tsc`, import.meta.url));
  // One that is linked when it starts names its loader.
  expect(program.subarray(0, 4_096).toString('latin1')).not.toContain('/ld-');
});
