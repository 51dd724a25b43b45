/**
 * What becomes of a request's body that nobody wants to the end: one that is too large. Yoga gives it up by destroying the request, and of
 * a destroyed one that is still on its way Node reads nothing more, nor whatever follows on the connection: the next request on it,
 * through a proxy another caller's, would never be answered. So the rest is thrown away as it comes, within `server.request_timeout`.
 */
import type { IncomingMessage } from 'node:http';

/** To be called before anybody reads the body. */
export function discardWhenGivenUp(req: IncomingMessage): void {
  const destroy = req.destroy.bind(req);
  const { socket } = req;
  req.destroy = (error) => {
    if (req.complete || socket.destroyed) return destroy(error);
    req.socket = socket; // taken away, lest it be destroyed, too; but reading needs it
    // Whoever read it has closed what it read into, and would fail at the next piece or at the end.
    for (const event of ['data', 'readable', 'end', 'error']) req.removeAllListeners(event);
    req.on('error', () => {}); // the client has gone
    return req.resume();
  };
}
