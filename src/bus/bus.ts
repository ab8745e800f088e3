/**
 * Terms. A *bus* keeps events until those who read from it have taken them. A *channel* is one stream or queue of it. An
 * event is *stored* when the bus has said so. Of another one nothing is known: it may be stored all the same.
 */

/** One event on its way. `headers`: short texts that go beside it, such as its signature. */
export type BusEvent = {
  readonly id: string;
  readonly partner: string;
  /** JSON. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
};

/**
 * What is known of one event. `full`: the channel takes no more for now. `away`: whatever event came, it would not have
 * been stored. `words` name no value of the event.
 */
export type Published =
  | { readonly stored: true }
  | { readonly stored: false; readonly why: 'full' | 'away'; readonly words: string };

export type Bus = {
  /** The channel of a partner: `named` in the catalog, or the one that it has without. */
  channelOf(partner: string, named: string | undefined): string;
  /** Publishes events in their order; gives what is known of each. Never rejects. */
  publish(channel: string, events: readonly BusEvent[], signal: AbortSignal): Promise<Published[]>;
  /** Events that the channel takes now. One where nothing is known, as while the bus is away: trying it tells. */
  room(channel: string): Promise<number>;
  close(): Promise<void>;
};

/** Events that a channel holds at most which nobody has read or acknowledged yet, and bytes that they take there. */
export const WINDOW = { events: 10_000, bytes: 16 * 2 ** 20 };

/** Bytes of bodies that one call of `publish` takes on; the others are `full`. It bounds the memory of a worker. */
export const MOST_BYTES = 4 * 2 ** 20;

/** The first events, as many as `MOST_BYTES` allows, and one at least. */
export function within(events: readonly BusEvent[]): number {
  let bytes = 0;
  for (const [at, { body }] of events.entries()) {
    bytes += body.length;
    if (bytes > MOST_BYTES && at > 0) return at;
  }
  return events.length;
}

export const STORED: Published = { stored: true };
export const TOO_LARGE: Published = { stored: false, why: 'full', words: 'those before it were large; it is next' };
