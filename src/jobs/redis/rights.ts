import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { UsageError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { RedisClient } from '../../redis/open.ts';
import type { Producers } from './producers.ts';

/**
 * What BullMQ's scripts and the counters of requests call, each as a harmless call: `@n` is the nth key, one a type.
 * A test compares the names with the scripts of the version that is installed.
 */
export const CALLS = [
  ...['SET @1 1', 'GET @1', 'INCR @1', 'INCRBY @1 1', 'PEXPIRE @1 1000', 'PEXPIREAT @1 1', 'EXPIRE @1 1'],
  ...[
    'PERSIST @1',
    'PTTL @1',
    'EXISTS @1',
    'TYPE @1',
    'TIME',
    'HSET @2 f 1',
    'HMSET @2 f 1',
    'HGET @2 f',
    'HMGET @2 f',
  ],
  ...['HGETALL @2', 'HINCRBY @2 f 1', 'HEXISTS @2 f', 'HLEN @2', 'HSCAN @2 0', 'HDEL @2 g', 'LPUSH @3 a', 'RPUSH @3 b'],
  ...['LRANGE @3 0 0', 'LLEN @3', 'LINDEX @3 0', 'LPOS @3 a', 'LSET @3 0 a', 'LREM @3 1 c', 'LTRIM @3 0 9', 'LPOP @3'],
  ...[
    'RPOPLPUSH @3 @3',
    'RPOP @3',
    'SADD @4 a',
    'SCARD @4',
    'SISMEMBER @4 a',
    'SMEMBERS @4',
    'SSCAN @4 0',
    'SREM @4 b',
  ],
  ...['ZADD @5 1 a', 'ZCARD @5', 'ZCOUNT @5 0 1', 'ZSCORE @5 a', 'ZRANGE @5 0 0', 'ZRANGEBYLEX @5 - +'],
  ...['ZRANGEBYSCORE @5 0 1', 'ZREVRANGE @5 0 0', 'ZREVRANGEBYSCORE @5 1 0', 'ZREM @5 b', 'ZREMRANGEBYRANK @5 5 5'],
  ...['ZREMRANGEBYSCORE @5 5 5', 'ZPOPMIN @5', 'XADD @6 * f 1', 'XTRIM @6 MAXLEN 0', 'DEL @1', 'UNLINK @2 @3 @4 @5 @6'],
  // For BZPOPMIN, which then need not block.
  'ZADD @7 1 a',
  'PEXPIRE @7 10000',
];

/** Gives the names that were refused, `keys` where the reason is a key, and any other error as it is. */
const TRY = `
local refused, seen = {}, {}
for _, call in ipairs(ARGV) do
  local parts = {}
  for part in string.gmatch(call, '%S+') do
    local key = string.match(part, '^@(%d)$')
    parts[#parts + 1] = key and KEYS[tonumber(key)] or part
  end
  local done = redis.pcall(unpack(parts))
  local err = type(done) == 'table' and done.err
  if err then
    local denied = string.find(err, 'ACL failure') or string.find(err, 'NOPERM') or string.find(err, "can't ")
      or string.find(err, 'nknown')
    if not denied then return done end
    local name = string.find(err, 'keys') and 'keys' or parts[1]
    if not seen[name] then refused[#refused + 1] = name end
    seen[name] = true
  end
end
return refused`;

/**
 * Runs what adding, fetching and finishing jobs need, on keys of its own. Gives the names of what Redis refuses this
 * user, which are none where all works. Rejects when Redis is away, full, or a replica.
 */
export async function refusedCommands(redis: RedisClient, prefix: string): Promise<string[]> {
  const client = redis as Redis;
  const keys = Array.from({ length: 7 }, (_, n) => `${prefix}:rights:${n + 1}`);
  const [key, last] = [keys[0] as string, keys[6] as string];
  const found = await Promise.all([
    client.eval(TRY, keys.length, ...keys, ...CALLS).then((names) => names as string[], refusal('EVAL')),
    client.evalsha('0'.repeat(40), 1, key).then(none, refusal('EVALSHA')),
    client.bzpopmin(last, 0.01).then(none, refusal('BZPOPMIN')),
    // Without MULTI it is an error, too. Refused after MULTI, the connection would stay inside the transaction.
    client.call('EXEC').then(none, refusal('EXEC')),
  ]);
  if (found.flat().length === 0) found.push(await client.multi().exists(key).exec().then(none, refusal('MULTI')));
  const names = [...new Set(found.flat())];
  return names.includes('keys') ? [`keys that begin with ${prefix}`] : names;
}

const none = (): string[] => [];
const DENIED = /\bNOPERM\b|unknown command/i;
/** What these commands answer where they are allowed. */
const EXPECTED = /\bNOSCRIPT\b|without MULTI/;

const refusal =
  (name: string) =>
  (error: Error & { previousErrors?: Error[] }): string[] => {
    const first = error.previousErrors?.[0] ?? error;
    if (DENIED.test(first.message)) return [/\bkeys\b/.test(first.message) ? 'keys' : name];
    if (EXPECTED.test(first.message)) return [];
    throw first;
  };

/** A Redis that says nothing at start is no error: reconcile makes up for it when it is back. */
const START_MS = 2_000;
const HELP = 'see "What the user of Redis may do" in docs/operations.md';

/**
 * Throws a UsageError where Redis answers and refuses this user, or what it needs. Warns of what `INFO` tells, where it
 * may be asked: BullMQ's own look at it ends no worker that may not.
 */
export async function checkRights({ redis, refused }: Producers, log: Logger): Promise<void> {
  const wrong = await firstWord(redis);
  if (wrong !== undefined && /^(WRONGPASS|NOAUTH)$/.test(wrong))
    throw new UsageError([`REDIS_URL: Redis refuses the user or password (${wrong})`]);
  if (wrong === 'NOPERM')
    throw new UsageError([
      `REDIS_URL: Redis refuses this user what it takes to connect, in a cluster CLUSTER SLOTS; ${HELP}`,
    ]);
  if (redis.status !== 'ready') return;
  const names = await refused().catch(() => []);
  if (names.length > 0) throw new UsageError([`REDIS_URL: Redis refuses this user ${names.join(', ')}; ${HELP}`]);
  const info = await (redis as Redis).info().catch(() => '');
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy !== undefined && policy !== 'noeviction')
    log.warn({ policy }, 'Redis may evict jobs: set maxmemory-policy noeviction');
}

/** Waits until Redis is ready, or the first error; gives its first word. */
async function firstWord(redis: RedisClient): Promise<string | undefined> {
  const done = new AbortController();
  let word: string | undefined;
  const end = () => done.abort();
  // A cluster's error tells what its last node said.
  const failed = (error: Error & { lastNodeError?: Error }) => {
    word = (error.lastNodeError ?? error).message.split(' ', 1)[0];
    end();
  };
  const emits = redis as Redis;
  emits.once('ready', end).once('error', failed);
  if (redis.status !== 'ready') await pause(START_MS, undefined, { signal: done.signal }).catch(() => {});
  emits.off('ready', end).off('error', failed);
  return word;
}

const LOOK_MS = 10_000;
const TELL_MS = 60_000;

/** Says once a minute what Redis refuses, while it does: rights can be taken away at any time. */
export function watchRights({ redis, refused }: Producers, log: Logger): { stop: () => void } {
  let told = '';
  let toldAt = Number.NEGATIVE_INFINITY;
  const look = async () => {
    if (redis.status !== 'ready') return;
    const names = (await refused()).join(', ');
    if (names === '' && told !== '') log.info('Redis refuses nothing any more');
    if (names !== '' && (names !== told || performance.now() - toldAt >= TELL_MS)) {
      toldAt = performance.now();
      log.error({ refused: names, help: HELP }, 'Redis refuses commands that are needed');
    }
    told = names;
  };
  // That it is away is told by others.
  const timer = setInterval(() => void look().catch(() => {}), LOOK_MS).unref();
  return { stop: () => clearInterval(timer) };
}
