/** New samples make subscribers read at once instead of at their next look. One subscription on the port serves all of this process. */
import type { Services } from '../../core/context.js';
import type { Ephemeral, Unsubscribe } from '../../ephemeral/ephemeral.js';
import { ephemeralChannels } from '../../ephemeral/keys.js';

type Listener = (nodeId: string) => void;

interface Fanout {
  readonly listeners: Set<Listener>;
  readonly subscribed: Promise<Unsubscribe>;
}

const fanouts = new WeakMap<Ephemeral, Fanout>();

export async function announceSample(
  { ephemeral }: Pick<Services, 'ephemeral'>,
  nodeId: string,
): Promise<void> {
  await ephemeral.publish(ephemeralChannels.samples, nodeId);
}

/** Calls back for every node that reported to any instance; returns how to stop that. Whoever misses a call finds the sample later. */
export function onSample({ ephemeral }: Pick<Services, 'ephemeral'>, listener: Listener) {
  const known = fanouts.get(ephemeral);
  const fanout = known ?? subscribe(ephemeral);
  const own: Listener = (nodeId) => listener(nodeId);
  fanout.listeners.add(own);
  return () => {
    fanout.listeners.delete(own);
    if (fanout.listeners.size > 0 || fanouts.get(ephemeral) !== fanout) return;
    fanouts.delete(ephemeral);
    fanout.subscribed.then((stop) => stop()).catch(() => {}); // there is nothing to stop
  };
}

function subscribe(ephemeral: Ephemeral): Fanout {
  const listeners = new Set<Listener>();
  const subscribed = ephemeral.subscribe(ephemeralChannels.samples, (nodeId) => {
    for (const listener of listeners) listener(nodeId);
  });
  subscribed.catch(() => {}); // subscribers look by themselves, too
  const fanout = { listeners, subscribed };
  fanouts.set(ephemeral, fanout);
  return fanout;
}
