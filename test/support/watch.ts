/** A subscription over server-sent events that a test reads at its own pace, and can leave at any moment. */
import type { TypedDocumentString } from '../gen/graphql.js';
import type { Client, GraphQLFault } from './client.js';

export interface WatchEvent<R> {
  readonly data?: R | null;
  readonly errors?: readonly GraphQLFault[];
}

export interface Watch<R> {
  /** The next event's data. Throws when it is an error, or when the stream has ended. */
  next(): Promise<R>;
  /** The next event, whatever it says; null at the end. Nothing is read from the stream in between. */
  event(): Promise<WatchEvent<R> | null>;
  /** Goes away as a client does whose connection breaks. */
  hangUp(): void;
}

export async function watch<R, V>(
  client: Client,
  document: TypedDocumentString<R, V>,
  variables: V,
  connection = new AbortController(),
): Promise<Watch<R>> {
  const response = await client.raw({
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(client.token ? { authorization: `Bearer ${client.token}` } : {}),
    },
    body: JSON.stringify({ query: document.toString(), variables }),
    signal: connection.signal,
  });
  const reader = response.body?.getReader();
  if (!reader || !response.headers.get('content-type')?.startsWith('text/event-stream'))
    throw new Error(`no event stream but ${response.status}: ${await response.text()}`);
  const decoder = new TextDecoder();
  let buffer = '';

  /** The next block that is an event: comments only keep the connection alive. */
  async function block(): Promise<string | null> {
    for (;;) {
      const end = buffer.indexOf('\n\n');
      if (end >= 0) {
        const text = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        if (/^event: /m.test(text)) return text;
        continue;
      }
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return null;
      buffer += decoder.decode(value as Uint8Array, { stream: true });
    }
  }

  const watching: Watch<R> = {
    async event() {
      const text = await block();
      const kind = text === null ? 'complete' : /^event: (.*)$/m.exec(text)?.[1];
      const data = /^data: (.*)$/m.exec(text ?? '')?.[1];
      return kind === 'next' && data ? (JSON.parse(data) as WatchEvent<R>) : null;
    },
    async next() {
      const event = await watching.event();
      if (!event?.data) throw new Error(`no event but ${JSON.stringify(event)}`);
      return event.data;
    },
    hangUp: () => connection.abort(),
  };
  return watching;
}
