/** Requests byte by byte, for what no HTTP client would send. */
import { connect } from 'node:net';

/** Longer than the server waits for a slow client. */
const PATIENCE_MS = 15_000;

export interface SpeakOptions {
  /** Break off (RST) as soon as the request is out. */
  readonly reset?: boolean;
}

/**
 * Sends `request` and resolves to all that comes back until the server has nothing more to say: it closed the connection,
 * or it answered a whole response without a body, or with one of known length. Never rejects: silence is an answer too.
 */
export function speak(url: string, request: string, options: SpeakOptions = {}): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ host: hostname, port: Number(port) });
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => {
      answer = answer || 'SILENCE';
      done();
    }, PATIENCE_MS);
    socket.setEncoding('latin1');
    socket.on('error', done);
    socket.on('close', done);
    socket.on('data', (text: string) => {
      answer += text;
      const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
      const length = /^content-length: (\d+)/im.exec(head)?.[1];
      const whole = length !== undefined && body.length >= Number(length);
      if (whole || (answer.includes('\r\n\r\n') && answer.endsWith('0\r\n\r\n'))) done();
    });
    socket.on('connect', () => {
      socket.write(Buffer.from(request, 'latin1'), () => {
        if (options.reset) socket.resetAndDestroy();
      });
    });
  });
}
