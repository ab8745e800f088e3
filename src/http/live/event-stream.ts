import type { Audience } from '../bodies/representation.ts';
import type { Reading } from './reading.ts';

/** The response below a stream. `destroy` drops what the client has not taken yet. */
export type Connection = { destroy: () => unknown; once: (event: 'close', listener: () => void) => unknown };

/** Times of one stream, in milliseconds. */
export type StreamTimes = { heartbeatMs: number; maxAgeMs: number; stuckMs: number };

/** One viewer's stream. */
export type EventStream = {
  body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** There may be something new to say. */
  wake: () => void;
  /** Called about once a second: heartbeat, maximum age, cutting off. `now`: `performance.now()`. */
  tick: (now: number) => void;
  /** Ends it cleanly. The client may come back. */
  end: () => void;
  /** Ends it now. What the client has not taken is lost. */
  cutOff: () => void;
};

const HEARTBEAT = new TextEncoder().encode(': heartbeat\n\n');

/**
 * A stream of server-sent events without a queue. Once the client has taken an event, the stream says what `latest`
 * gives then, so a slow client skips what lay between. A write that is pending for `stuckMs` ends the connection. `left`
 * is called once, when the client is gone or has everything.
 */
export function openEventStream(options: {
  latest: () => Reading;
  audience: Audience;
  /** When the viewer's credential ends, in milliseconds since 1970: from then on nothing is said. */
  expires?: number | undefined;
  times: StreamTimes;
  connection: Connection | undefined;
  left: () => void;
}): EventStream {
  const { latest, audience, expires = Number.POSITIVE_INFINITY, times, connection } = options;
  const opened = performance.now();
  // Viewers that came together, as after a restart, do not all leave together.
  const age = times.maxAgeMs * (0.9 + 0.1 * Math.random());
  let controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  let said: Reading | undefined;
  let saidAt = opened;
  /** The connection has taken all that was said. */
  let ready = false;
  let pendingSince = opened;
  let ending = false;
  let closed = false;
  let gone = false;

  const leave = () => {
    if (gone) return;
    gone = true;
    options.left();
  };
  const say = (chunk: Uint8Array<ArrayBuffer>) => {
    ready = false;
    saidAt = pendingSince = performance.now();
    controller?.enqueue(chunk);
  };
  const close = () => {
    if (closed) return;
    closed = true;
    ready = false;
    pendingSince = performance.now();
    controller?.close();
    if (!connection) leave();
  };
  const flush = (heartbeat: boolean) => {
    if (gone || closed) return;
    if (Date.now() >= expires) return close();
    if (!ready) return;
    const reading = latest();
    if (reading !== said) {
      const { chunk, last } = reading.since(said, audience);
      said = reading;
      say(chunk);
      if (last) close();
    } else if (ending) close();
    else if (heartbeat) say(HEARTBEAT);
  };
  const cutOff = () => {
    connection?.destroy();
    leave();
  };

  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start: (c) => {
        controller = c;
      },
      pull: () => {
        ready = true;
        flush(false);
      },
      cancel: leave,
    },
    // The queue has room for nothing. So `pull` means that the connection has taken all that was said.
    { highWaterMark: 0 },
  );
  connection?.once('close', leave);

  return {
    body,
    wake: () => flush(false),
    tick: (now) => {
      if (now - opened > age) ending = true;
      if (!ready && now - pendingSince > times.stuckMs) cutOff();
      else flush(now - saidAt > times.heartbeatMs);
    },
    end: () => {
      ending = true;
      flush(false);
    },
    cutOff,
  };
}
