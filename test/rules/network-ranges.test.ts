/** Which addresses a network has for machines: tables, and what holds for every network there can be. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressOf,
  canonical,
  contains,
  hostRange,
  macAddressOf,
  poolRange,
  sizeOf,
  unusable,
  utilisationOf,
} from '../../src/modules/network/ranges.js';
import { isHostOf, numberOf } from '../../src/modules/network/rules.js';

const plan = (
  cidr: string,
  gateway: string | null = null,
  dhcp: [string, string] | null = null,
) => ({
  cidr,
  gateway,
  dhcpRangeStart: dhcp?.[0] ?? null,
  dhcpRangeEnd: dhcp?.[1] ?? null,
});

describe('the hosts of a network', () => {
  test.each([
    ['10.0.0.0/24', '10.0.0.1', '10.0.0.254'],
    ['10.0.0.128/25', '10.0.0.129', '10.0.0.254'],
    ['10.0.0.0/30', '10.0.0.1', '10.0.0.2'],
    ['10.0.0.0/31', '10.0.0.0', '10.0.0.1'],
    ['10.0.0.5/32', '10.0.0.5', '10.0.0.5'],
    ['0.0.0.0/0', '0.0.0.1', '255.255.255.254'],
    ['255.255.255.0/24', '255.255.255.1', '255.255.255.254'],
    ['2001:db8::/64', '2001:db8::1', '2001:db8::ffff:ffff:ffff:ffff'],
    ['2001:db8::/127', '2001:db8::', '2001:db8::1'],
    ['2001:db8::9/128', '2001:db8::9', '2001:db8::9'],
    ['::/0', '::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ])('%s go from %s to %s', (cidr, first, last) => {
    const range = hostRange(cidr);
    expect([addressOf(range.first, range.bits), addressOf(range.last, range.bits)]).toEqual([
      first,
      last,
    ]);
  });

  test.each([
    ['10.0.0.0/24', null, 254n],
    ['10.0.0.0/24', '10.0.0.1', 253n],
    ['10.0.0.0/31', null, 2n],
    ['10.0.0.0/32', '10.0.0.0', 0n],
    ['2001:db8::/64', '2001:db8::1', 2n ** 64n - 2n],
    ['2001:db8::/64', '2001:db8::', 2n ** 64n - 1n],
    ['::/0', null, 2n ** 128n - 1n],
  ])('of %s with the gateway %s are %s', (cidr, gateway, total) => {
    expect(utilisationOf(cidr, gateway, 0)).toEqual({
      totalAddresses: total,
      usedAddresses: 0n,
      freeAddresses: total,
    });
  });

  test('are not counted where nobody manages them', () => {
    expect(utilisationOf(null, null, 0)).toBeNull();
    expect(utilisationOf('10.0.0.0/24', '10.0.0.1', 253)).toMatchObject({ freeAddresses: 0n });
  });
});

describe('the pool of a network', () => {
  test.each([
    [plan('10.0.0.0/24'), '10.0.0.1', '10.0.0.254'],
    [plan('10.0.0.0/24', '10.0.0.1', ['10.0.0.9', '10.0.0.20']), '10.0.0.9', '10.0.0.20'],
    // earlier releases allowed what is no host
    [plan('10.0.0.0/24', null, ['10.0.0.0', '10.0.0.255']), '10.0.0.1', '10.0.0.254'],
    [plan('2001:db8::/64', null, ['2001:db8::a', '2001:db8::ff']), '2001:db8::a', '2001:db8::ff'],
  ])('of %o goes from %s to %s', (network, first, last) => {
    const range = poolRange(network);
    expect([addressOf(range.first, range.bits), addressOf(range.last, range.bits)]).toEqual([
      first,
      last,
    ]);
  });
});

describe('an address that is asked for', () => {
  test.each([
    ['10.0.0.2', null],
    ['10.0.0.254', null],
    ['10.0.0.0', 'is not a host address of 10.0.0.0/24'],
    ['10.0.0.255', 'is not a host address of 10.0.0.0/24'],
    ['10.0.1.2', 'is not a host address of 10.0.0.0/24'],
    ['10.0.0.1', 'is the gateway of the network'],
    ['2001:db8::1', 'is not a host address of 10.0.0.0/24'],
    ['::ffff:10.0.0.2', 'is not a host address of 10.0.0.0/24'],
  ])('%s in a /24 with a gateway: %s', (address, fault) => {
    const answer = unusable(plan('10.0.0.0/24', '10.0.0.1', ['10.0.0.9', '10.0.0.20']), address);
    expect(answer).toBe(fault && `${address} ${fault}`);
  });

  test.each([
    ['2001:db8::2', null],
    ['2001:DB8:0:0::ffff', null],
    ['2001:db8::', 'is not a host address of 2001:db8::/64'],
    ['2001:db8::2%eth0', 'is not a host address of 2001:db8::/64'],
    ['2001:db8:0:0:0::1', 'is the gateway of the network'],
    ['10.0.0.2', 'is not a host address of 2001:db8::/64'],
  ])('%s in a /64 with a gateway: %s', (address, fault) => {
    const answer = unusable(plan('2001:db8::/64', '2001:db8::1'), address);
    expect(answer).toBe(fault && `${address} ${fault}`);
  });
});

describe('for every network', () => {
  const ipv4 = fc.record({
    value: fc.bigInt(0n, 2n ** 32n - 1n),
    length: fc.integer({ min: 0, max: 32 }),
  });
  const ipv6 = fc.record({
    value: fc.bigInt(0n, 2n ** 128n - 1n),
    length: fc.integer({ min: 0, max: 128 }),
  });
  const network = fc.oneof(
    ipv4.map((n) => ({ ...n, bits: 32 as const })),
    ipv6.map((n) => ({ ...n, bits: 128 as const })),
  );

  test('its hosts lie in it, there is at least one, and both ends can be asked for', () => {
    fc.assert(
      fc.property(network, ({ value, length, bits }) => {
        const size = 1n << BigInt(bits - length);
        const base = (value / size) * size;
        const cidr = `${addressOf(base, bits)}/${length}`;
        const range = hostRange(cidr);
        expect(range.first).toBeGreaterThanOrEqual(base);
        expect(range.last).toBeLessThan(base + size);
        expect(sizeOf(range, null)).toBeGreaterThan(0n);
        for (const end of [range.first, range.last]) {
          expect(unusable(plan(cidr), addressOf(end, bits))).toBeNull();
          expect(isHostOf(cidr, addressOf(end, bits))).toBe(true);
        }
        expect(contains(range, range.first - 1n)).toBe(false);
      }),
    );
  });

  test('its gateway takes exactly one address from the machines, and none can have it', () => {
    fc.assert(
      fc.property(network, fc.bigInt(0n, 2n ** 128n), ({ value, length, bits }, any) => {
        const size = 1n << BigInt(bits - length);
        const cidr = `${addressOf((value / size) * size, bits)}/${length}`;
        const range = hostRange(cidr);
        const gateway = addressOf(range.first + (any % sizeOf(range, null)), bits);
        expect(sizeOf(range, gateway)).toBe(sizeOf(range, null) - 1n);
        expect(unusable(plan(cidr, gateway), gateway)).toContain('gateway');
      }),
    );
  });

  test('a number and an address are two ways to write the same, in one spelling', () => {
    fc.assert(
      fc.property(network, ({ value, bits }) => {
        const address = addressOf(value, bits);
        expect(numberOf(address)).toBe(value);
        expect(canonical(address.toUpperCase())).toBe(address);
      }),
    );
  });
});

test('a MAC address that is made up begins with the prefix and is well-formed', () => {
  expect(macAddressOf('52:54:00', Uint8Array.of(0, 10, 255))).toBe('52:54:00:00:0a:ff');
});
