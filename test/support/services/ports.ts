/** Finds TCP ports that are free on the loopback interface. */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

const FIRST_PORT = 12_000;
const TRIES = 200;

/**
 * Ports below the range from which the kernel serves outgoing connections. A port inside that range
 * may be handed to any client while its server is down; worse, a client that keeps dialling the dead
 * server can be given that very port and connect to itself, and then the server cannot come back.
 */
function upperBound(): number {
  try {
    const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim();
    const lowest = Number(range.split(/\s+/)[0]);
    if (lowest > FIRST_PORT + 1_000) return lowest;
  } catch {
    // Not Linux: the ranges of other systems begin above this one.
  }
  return 32_768;
}

/** Tells whether `port` can be listened on at this moment. */
export function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}

/**
 * Picks `count` different ports that nobody listens on now. Somebody may take one before the caller
 * does, so the caller tries again with others when its server finds the address in use.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  const end = upperBound();
  for (let i = 0; i < TRIES && found.size < count; i += 1) {
    const port = randomInt(FIRST_PORT, end);
    if (await canListen(port)) found.add(port);
  }
  if (found.size < count) throw new Error(`no free port found on ${LOOPBACK} in ${TRIES} tries`);
  return [...found];
}
