import { setTimeout as pause } from 'node:timers/promises';
import type { ChainableCommander, Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import { openRedis } from '../redis/open.ts';
import { watchOutages } from '../redis/outages.ts';
import { type Bus, type BusEvent, type Published, STORED, TOO_LARGE, WINDOW, within } from './bus.ts';
import { type Group, inFlight, mostEvents, type Stream } from './redis-window.ts';

type Reply = [error: Error | null, value: unknown];

const TELL_MS = 60_000;
const LOOK_MS = 5_000;
const CONNECT_MS = 1_000;

/**
 * Publishes to Redis Streams. A stream is a bounded window, not a store: what no group needs any more is cut off
 * when new events come. `room` leaves a group what it needs. Whatever is lost all the same, the caller publishes again.
 */
export function openRedisStreams({ url, prefix }: { url: string; prefix: string }, log: Logger): Bus {
  const redis = openRedis(url, {
    // No time limit a command: a thousand timers cost more than the commands.
    node: { maxRetriesPerRequest: 1, connectTimeout: CONNECT_MS },
    queueWhileAway: false,
    redirections: 8,
  });
  watchOutages(redis, log);
  /** Why it cannot be reached: a command that was never sent does not know. */
  let lost: string | undefined;
  const emits = redis as Redis;
  emits.on('ready', () => {
    lost = undefined;
  });
  emits.on('error', (error: NodeJS.ErrnoException & { lastNodeError?: Error }) => {
    lost = codeOf(error.lastNodeError ?? error) ?? error.code;
  });
  const most = new Map<string, number>();
  let toldAt = Number.NEGATIVE_INFINITY;
  const tellFull = (stream: string, group: string | null, events: number) => {
    if (performance.now() - toldAt < TELL_MS) return;
    toldAt = performance.now();
    const reason = group === null ? 'no consumer group reads it' : 'a consumer group does not keep up';
    log.warn({ stream, group, events, reason }, 'a stream is full: nothing more is published until it is read');
  };

  return {
    channelOf: (_partner, named) => named ?? `${prefix}:events`,
    publish: async (stream, events, signal) => {
      await connected(emits);
      const taken = events.slice(0, within(events));
      const pipeline = redis.pipeline();
      for (const event of taken) pipeline.xadd(stream, '*', ...fieldsOf(event));
      pipeline.xtrim(stream, 'MAXLEN', '~', most.get(stream) ?? WINDOW.events);
      const replies = await run(pipeline, signal);
      return events.map((_, at) => (at < taken.length ? outcomeOf(replies[at], lost) : TOO_LARGE));
    },
    room: async (stream) => {
      await connected(emits);
      const seen = await look(redis as Redis, stream);
      if (!seen) return 1;
      const limit = mostEvents(seen);
      most.set(stream, limit);
      const flying = inFlight(seen) ?? (await countNeeded(redis as Redis, stream, seen, limit));
      if (!flying) return 1;
      const room = Math.max(0, limit - flying.events);
      if (room === 0) tellFull(stream, flying.group, flying.events);
      return room;
    },
    close: async () => redis.disconnect(),
  };
}

/** Waits while a first connection is being made. Resolves at once where there is one, and where Redis is away. */
async function connected(redis: Redis): Promise<void> {
  if (!/^(wait|connecting|connect)$/.test(redis.status)) return;
  const done = new AbortController();
  const end = () => done.abort();
  for (const event of ['ready', 'error', 'close']) redis.once(event, end);
  await pause(CONNECT_MS, undefined, { signal: done.signal }).catch(() => {});
  for (const event of ['ready', 'error', 'close']) redis.off(event, end);
}

/** The entry of an event: names and values. `event` is the CloudEvent, and `id` and `partner` stand beside it for who filters. */
const fieldsOf = ({ id, partner, body, headers }: BusEvent): string[] => [
  'id',
  id,
  'partner',
  partner,
  'event',
  body,
  ...Object.entries(headers).flat(),
];

/** Sends a pipeline. Where all of it fails, or takes too long, every command has failed. */
function run(pipeline: ChainableCommander, signal = AbortSignal.timeout(LOOK_MS)): Promise<Reply[]> {
  const failed = (error: Error) => Array.from({ length: pipeline.length }, () => [error, null] as Reply);
  return new Promise((resolve) => {
    const late = () => resolve(failed(new Error('late')));
    signal.addEventListener('abort', late, { once: true });
    if (signal.aborted) late();
    const settle = (replies: Reply[]) => {
      signal.removeEventListener('abort', late);
      resolve(replies);
    };
    pipeline.exec().then(
      (replies) => settle(replies ?? []),
      (error: Error) => settle(failed(error)),
    );
  });
}

/** What Redis refuses begins with a code, such as OOM, NOPERM or WRONGTYPE. The rest of the text may quote what was sent. */
const codeOf = ({ message }: Error): string | undefined => /^[A-Z]{3,}\b/.exec(message)?.[0];

function outcomeOf(reply: Reply | undefined, lost: string | undefined): Published {
  const [error] = reply ?? [new Error('no reply')];
  if (!error) return STORED;
  const refused = codeOf(error);
  if (refused) return { stored: false, why: 'away', words: `Redis refuses the event: ${refused}` };
  if (lost === 'WRONGPASS' || lost === 'NOAUTH')
    return { stored: false, why: 'away', words: `Redis refuses the user or the password (${lost})` };
  return { stored: false, why: 'away', words: lost ? `Redis cannot be reached: ${lost}` : 'Redis does not answer' };
}

/** Reads how full a stream is; null where Redis does not say. */
async function look(redis: Redis, stream: string): Promise<Stream | null> {
  const [length, groups, bytes] = await run(
    redis.pipeline().xlen(stream).xinfo('GROUPS', stream).memory('USAGE', stream),
  );
  if (!length || length[0]) return null;
  const [refused, found] = groups ?? [null, []];
  if (refused && !/no such key/i.test(refused.message)) return null;
  return {
    length: Number(length[1]),
    bytes: bytes?.[0] ? null : Number(bytes?.[1] ?? 0),
    groups: refused ? [] : (found as unknown[][]).map(groupOf),
  };
}

function groupOf(flat: unknown[]): Group {
  const facts = new Map<unknown, unknown>();
  for (let at = 0; at < flat.length; at += 2) facts.set(flat[at], flat[at + 1]);
  const lag = facts.get('lag');
  return {
    name: String(facts.get('name')),
    pending: Number(facts.get('pending')),
    lag: lag === null || lag === undefined ? null : Number(lag),
  };
}

/**
 * How many entries a group still needs, where Redis cannot tell its lag: before 7.0, and after an entry was deleted. What
 * every group has acknowledged is cut off, and the rest is counted. Null where Redis does not say.
 */
async function countNeeded(redis: Redis, stream: string, { length, groups }: Stream, limit: number) {
  if (length < limit) return { events: length, group: null };
  const [info, ...pending] = await run(
    groups.reduce((all, { name }) => all.xpending(stream, name), redis.pipeline().xinfo('GROUPS', stream)),
  );
  if (!info || info[0] || pending.some((one) => !one || one[0])) return null;
  const needed = (info[1] as unknown[][]).map((flat, at) => {
    const first = (pending[at]?.[1] as [number, string | null] | undefined)?.[1];
    return first ?? String(flat[flat.indexOf('last-delivered-id') + 1]);
  });
  const lowest = needed.sort(compareIds)[0] as string;
  const [, left] = await run(redis.pipeline().xtrim(stream, 'MINID', '~', lowest).xlen(stream));
  return left && !left[0] ? { events: Number(left[1]), group: null } : null;
}

/** Compares two ids of entries, `milliseconds-number`. */
export function compareIds(a: string, b: string): number {
  const [[aMs = 0, aSeq = 0], [bMs = 0, bSeq = 0]] = [a.split('-').map(Number), b.split('-').map(Number)];
  return aMs - bMs || aSeq - bSeq;
}
