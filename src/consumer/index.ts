/**
 * `lethe/consumer`: reads erasure events from Redis Streams for a partner, and acknowledges them. Terms: docs/partners.md. It
 * needs Redis 6.2 or newer, and nothing else of Lethe.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { acknowledgeOverHttp } from './acknowledge.ts';
import { Group, isMissing } from './group.ts';
import type { ConsumeOptions, Settings } from './options.ts';
import { work } from './work.ts';

export { AcknowledgementRefused } from './acknowledge.ts';
export type { Asked, ConsumeOptions } from './options.ts';

const STREAM = '{lethe}:events';
const TRIES = 5;
const PAUSES_MS = [1_000, 5_000, 30_000, 60_000];
const DEAD_AFTER_MS = 60_000;
/** After Redis failed. */
const OUTAGE_MS = 1_000;

/**
 * Consumes events one after the other until `signal` comes, and finishes the one in hand. Each event is handled at least once:
 * the handler must be able to do the same again. Start several processes with the same `group` for more at once.
 * Rejects only for options that are wrong; a Redis that is away is waited for.
 */
export async function consume(options: ConsumeOptions): Promise<void> {
  const settings = settingsOf(options);
  const [redis, waiting] = [open(options.redis), open(options.redis)];
  for (const one of [redis, waiting]) one.on('error', (error) => settings.onProblem('Redis is away', error));
  const group = new Group(redis, waiting, settings);
  let claimAt = 0;
  let made = false;
  try {
    while (!settings.signal.aborted) {
      try {
        if (!made) await group.create();
        made = true;
        const claims = Date.now() >= claimAt;
        const claimed = claims ? await group.claim(settings.deadAfterMs) : null;
        // One that was claimed may be one of many.
        if (claims && !claimed) claimAt = Date.now() + settings.deadAfterMs / 4;
        const entry = claimed ?? (await group.next());
        if (entry) await work(group, entry, settings);
      } catch (error) {
        if (isMissing(error)) made = false;
        else settings.onProblem('an event stays with its group, and comes again', error);
        await pause(isMissing(error) ? 0 : OUTAGE_MS, undefined, { signal: settings.signal }).catch(() => {});
      }
    }
  } finally {
    redis.disconnect();
    waiting.disconnect();
  }
}

function settingsOf({ retries = {}, redis: _, ...given }: ConsumeOptions): Settings {
  if (!given.group) throw new TypeError('group: expected a name, the same for all processes of a partner');
  const stream = given.stream ?? STREAM;
  const tries = retries.tries ?? TRIES;
  if (!(Number.isInteger(tries) && tries >= 1)) throw new TypeError('retries.tries: expected a whole number from 1 on');
  return {
    consumer: `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`,
    deadLetters: `${stream}:dead:${given.group}`,
    deadAfterMs: DEAD_AFTER_MS,
    acknowledge: acknowledgeOverHttp,
    onProblem: (words, error) => {
      process.stderr.write(`lethe/consumer: ${words}${error instanceof Error ? `: ${error.message}` : ''}
`);
    },
    ...given,
    stream,
    partner: given.partner,
    secret: given.secret,
    signal: given.signal ?? new AbortController().signal,
    tries,
    pausesMs: retries.pausesMs ?? PAUSES_MS,
  };
}

/** A connection of its own. Commands wait for Redis to come back. */
const open = (redis: string | Redis): Redis =>
  typeof redis === 'string'
    ? new Redis(redis, { maxRetriesPerRequest: null })
    : redis.duplicate({ maxRetriesPerRequest: null });
