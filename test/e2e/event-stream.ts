/** A subscription over server-sent events, watched from outside: what came, how it ended, and hanging up at any moment. */
import { until } from '../support/until.js';

export interface EventStream {
  readonly status: number;
  /** Payloads so far. */
  readonly events: readonly {
    data?: unknown;
    errors?: readonly { message: string; extensions: { code: string } }[];
  }[];
  /** Waits for the payload at this index. */
  event(index: number): Promise<EventStream['events'][number]>;
  /** 'complete': the server said so and closed in good order; 'cut': the connection ended without that. */
  readonly ended: Promise<'complete' | 'cut'>;
  /** Goes without a word. */
  hangUp(): void;
}

export async function openEventStream(
  url: string,
  token: string | null,
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
): Promise<EventStream> {
  const gone = new AbortController();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({ query, variables }),
    signal: gone.signal,
  });
  const events: EventStream['events'][number][] = [];
  async function read(): Promise<'complete' | 'cut'> {
    let complete = false;
    let rest = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const data = /^data: (.+)$/m.exec(block)?.[1];
          if (data) events.push(JSON.parse(data) as never);
          if (/^event: complete$/m.test(block)) complete = true;
        }
      }
    } catch {
      return 'cut';
    }
    return complete ? 'complete' : 'cut';
  }
  return {
    status: response.status,
    events,
    event: (index) => until(`event ${index}`, () => events[index]),
    ended: read(),
    hangUp: () => gone.abort(),
  };
}
