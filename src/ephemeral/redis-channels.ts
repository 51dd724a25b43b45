/**
 * The subscriber's side of Redis, as `graphql-redis-subscriptions` wants to see it: one that always says yes.
 * That library fans messages out; but a SUBSCRIBE that fails leaves a promise of it rejected with nobody to hear, and an UNSUBSCRIBE on
 * a broken connection two of them. So it only notes here what it wants, and `sync` makes it so, now and after each reconnection.
 */
import { RedisPubSub } from 'graphql-redis-subscriptions';
import type { Redis } from 'ioredis';

export class RedisChannels {
  readonly #wanted = new Set<string>();
  readonly #active = new Set<string>();
  readonly #pubsub: RedisPubSub;
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly subscriber: Redis,
    publisher: Redis,
  ) {
    subscriber.on('close', () => this.#active.clear());
    const compliant = {
      on: (event: string, listener: (...args: unknown[]) => void) => subscriber.on(event, listener),
      subscribe: (channel: string, done: (error: null) => void) => {
        this.#wanted.add(channel);
        done(null);
      },
      unsubscribe: (channel: string) => {
        this.#wanted.delete(channel);
        this.sync().catch(() => {}); // without a connection there is nothing to unsubscribe from
      },
      punsubscribe: () => {},
    };
    this.#pubsub = new RedisPubSub({
      subscriber: compliant as never,
      publisher: publisher as never,
      serializer: (message: string) => message,
      deserializer: (message: Buffer | string) => String(message),
    });
  }

  publish(channel: string, message: string): Promise<void> {
    return this.#pubsub.publish(channel, message);
  }

  /** Wants the channel from now on; it is heard after the next `sync`. */
  async listen(channel: string, listener: (message: string) => void): Promise<() => void> {
    const id = await this.#pubsub.subscribe(channel, listener);
    let stopped = false;
    return () => {
      if (stopped) return;
      stopped = true;
      this.#pubsub.unsubscribe(id);
    };
  }

  /** Resolves when exactly what is wanted is subscribed to. One after the other: an UNSUBSCRIBE must not overtake. */
  sync(): Promise<void> {
    const synced = this.#last.then(() => this.#sync());
    this.#last = synced.catch(() => {});
    return synced;
  }

  async #sync(): Promise<void> {
    const missing = [...this.#wanted].filter((channel) => !this.#active.has(channel));
    if (missing.length > 0) {
      await this.subscriber.subscribe(...missing);
      for (const channel of missing) this.#active.add(channel);
    }
    const needless = [...this.#active].filter((channel) => !this.#wanted.has(channel));
    if (needless.length > 0) {
      await this.subscriber.unsubscribe(...needless);
      for (const channel of needless) this.#active.delete(channel);
    }
  }
}
