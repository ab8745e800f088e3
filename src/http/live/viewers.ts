import type { Context } from '../../erasure/model/context.ts';
import { look } from '../../erasure/progress/look.ts';
import { LetheError } from '../../errors.ts';
import { sanitize } from '../../store/sql-errors.ts';
import type { Audience } from '../bodies/representation.ts';
import { withDeadline } from '../server/deadline.ts';
import { type Connection, type EventStream, openEventStream, type StreamTimes } from './event-stream.ts';
import { createReading, type Reading } from './reading.ts';

/** Times in milliseconds. */
export type ViewerLimits = StreamTimes & {
  /** From one read of a watched erasure to the next. */
  roundMs: number;
  /** The longest pause between reads while the database is away. */
  maxPauseMs: number;
  /** A read that takes longer is given up. Its connection may have been lost without a word. */
  readMs: number;
  /** How many erasures are read at once. The others wait, so that requests find a free connection. */
  reads: number;
  /** The most streams in this process, of one erasure, and of one API key. */
  viewers: number;
  viewersOfErasure: number;
  viewersOfKey: number;
};

const LIMITS: ViewerLimits = {
  roundMs: 1_000,
  maxPauseMs: 5_000,
  readMs: 5_000,
  reads: 4,
  viewers: 10_000,
  viewersOfErasure: 2_000,
  viewersOfKey: 5_000,
  heartbeatMs: 15_000,
  maxAgeMs: 15 * 60_000,
  stuckMs: 30_000,
};

/** Seconds after which a client that found no room may try again. Asking for the status meanwhile costs less. */
const ROOM_RETRY_AFTER = 30;

/** How long streams may take to end when the process stops, in milliseconds. */
const CLOSE_MS = 800;

type Watch = {
  latest: Reading;
  streams: Set<EventStream>;
  timer: NodeJS.Timeout | undefined;
  reading: boolean;
  failures: number;
};

/** What `open` needs besides the erasure. `by`: who was let in, as `authorize` names them. `expires`: until when. */
export type Viewer = {
  audience: Audience;
  by: string;
  expires?: number | undefined;
  connection: Connection | undefined;
};

export type Viewers = ReturnType<typeof createViewers>;

/**
 * Everybody who watches an erasure through this process. One poller per watched erasure serves all its
 * viewers; it starts with the first and stops with the last.
 *
 * Nobody can take all the room. An account and a status link see one erasure only, which has a fifth of the room. A key
 * sees all, and has half of it.
 */
export function createViewers(ctx: Context, options: Partial<ViewerLimits> = {}) {
  const limits = { ...LIMITS, ...options };
  const watches = new Map<string, Watch>();
  const reads = new Map<string, Promise<Reading>>();
  const turns = createTurns(limits.reads);
  const all = new Set<EventStream>();
  const ofKey = new Map<string, number>();
  let ticking: NodeJS.Timeout | undefined;
  let away = false;
  let closed = false;

  const isFresh = (reading: Reading) => performance.now() - reading.at < limits.roundMs - 1;

  /** One read, shared by all who ask for it meanwhile and shown to all who watch. */
  const read = (id: string): Promise<Reading> => {
    const running = reads.get(id);
    if (running) return running;
    const started = (async () => {
      const at = performance.now();
      const seen = await look(ctx, id);
      if (!seen) throw new LetheError('not_found', 'there is no such erasure');
      const reading = createReading(seen, at, ctx.catalog);
      const watch = watches.get(id);
      if (watch) publish(id, watch, reading);
      return reading;
    })();
    const bounded = withDeadline(limits.readMs, started).finally(() => reads.delete(id));
    reads.set(id, bounded);
    return bounded;
  };

  const publish = (id: string, watch: Watch, reading: Reading) => {
    if (reading.at <= watch.latest.at) return;
    if (reading.content === watch.latest.content && reading.mark === watch.latest.mark) watch.latest.at = reading.at;
    else {
      watch.latest = reading;
      for (const stream of [...watch.streams]) stream.wake();
    }
    poll(id, watch);
  };

  const poll = (id: string, watch: Watch, atLeastMs = 0) => {
    if (watch.timer || watch.reading || watch.latest.final || watches.get(id) !== watch) return;
    const pause = Math.min(limits.maxPauseMs, limits.roundMs * 2 ** watch.failures);
    const due = watch.failures ? pause : Math.max(atLeastMs, watch.latest.at + limits.roundMs - performance.now());
    watch.timer = setTimeout(() => {
      watch.timer = undefined;
      // A new viewer has read it meanwhile: that was this round.
      if (watch.failures === 0 && isFresh(watch.latest)) poll(id, watch);
      else void round(id, watch);
    }, due);
  };

  const round = async (id: string, watch: Watch) => {
    watch.reading = true;
    try {
      await turns(() => (watches.get(id) === watch ? read(id) : undefined));
      watch.failures = 0;
      if (away) ctx.log.info('viewers are served again');
      away = false;
    } catch (error) {
      watch.failures = Math.min(watch.failures + 1, 10);
      // Log once for all that are watched, not once for each.
      if (!away) ctx.log.warn({ code: sanitize(error).code }, 'viewers wait: the erasure cannot be read');
      away = true;
    } finally {
      watch.reading = false;
      // A slow read is followed by a pause as long. So a database that struggles is asked half of the time at most.
      poll(id, watch, performance.now() - watch.latest.at);
    }
  };

  const tick = () => {
    const now = performance.now();
    for (const stream of [...all]) stream.tick(now);
  };
  const tickMs = Math.min(1_000, limits.heartbeatMs / 4, limits.maxAgeMs / 4, limits.stuckMs / 4);

  return {
    /** The erasure as it is now, or was less than a round ago. Throws what the database throws, and `not_found`. */
    look: async (id: string): Promise<Reading> => {
      const latest = watches.get(id)?.latest;
      return latest && isFresh(latest) ? latest : read(id);
    },

    /**
     * Opens a stream that begins with `first`. Throws `rate_limited` when this process has as many as it takes: in
     * all, of this erasure, or of this key. Once closed it gives null: answer with `first`, and let the client come back.
     */
    open: (id: string, first: Reading, viewer: Viewer): ReadableStream<Uint8Array<ArrayBuffer>> | null => {
      if (closed) return null;
      const found = watches.get(id);
      const key = viewer.by.startsWith('key:') ? viewer.by : undefined;
      for (const [open, most] of [
        [all.size, limits.viewers],
        [found?.streams.size ?? 0, limits.viewersOfErasure],
        [key === undefined ? 0 : (ofKey.get(key) ?? 0), limits.viewersOfKey],
      ] as const)
        if (open >= most)
          throw new LetheError('rate_limited', `${most} streams are open; ask for the status instead`, {
            retryAfter: ROOM_RETRY_AFTER,
          });
      const watch = found ?? { latest: first, streams: new Set(), timer: undefined, reading: false, failures: 0 };
      if (!found) watches.set(id, watch);
      const count = (more: 1 | -1) => {
        if (key === undefined) return;
        const now = (ofKey.get(key) ?? 0) + more;
        if (now > 0) ofKey.set(key, now);
        else ofKey.delete(key);
      };
      const stream = openEventStream({
        latest: () => watch.latest,
        audience: viewer.audience,
        expires: viewer.expires,
        times: limits,
        connection: viewer.connection,
        left: () => {
          all.delete(stream);
          count(-1);
          watch.streams.delete(stream);
          if (watch.streams.size === 0) {
            clearTimeout(watch.timer);
            if (watches.get(id) === watch) watches.delete(id);
          }
          if (all.size === 0) {
            clearInterval(ticking);
            ticking = undefined;
          }
        },
      });
      all.add(stream);
      count(1);
      watch.streams.add(stream);
      ticking ??= setInterval(tick, tickMs);
      publish(id, watch, first);
      poll(id, watch);
      return stream.body;
    },

    /** Streams, erasures with a poller, and reads that are under way. */
    counts: () => ({ viewers: all.size, watched: watches.size, reads: reads.size }),

    /** Ends every stream within a second. A stream whose client does not take the end is cut off. */
    close: async (): Promise<void> => {
      closed = true;
      const end = performance.now() + CLOSE_MS;
      for (const stream of [...all]) stream.end();
      while (all.size > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
      for (const stream of [...all]) stream.cutOff();
    },
  };
}

/** Gives a function that runs at most `max` works at once. The others wait for their turn. */
function createTurns(max: number) {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async <T>(work: () => Promise<T> | undefined): Promise<T | undefined> => {
    // A work that ends hands its turn over, so that none slips in between.
    if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
