import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Fault, Scene } from './fault.ts';
import type { Random } from './random.ts';
import { send } from './signal.ts';

/** Runs `work` on a connection of its own, past the relays. */
export async function withRedis({ redis }: Scene, work: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = new Redis(redis.url, { maxRetriesPerRequest: 1, commandTimeout: 3_000 });
  client.on('error', () => {});
  try {
    await work(client);
  } finally {
    client.disconnect();
  }
}

const restarting = new WeakMap<Scene['redis'], Promise<unknown>>();

/** Two faults must not start and stop it at the same time. */
const restart = (signal: NodeJS.Signals) => async (scene: Scene, draw: Random) => {
  const { redis } = scene;
  const ms = draw.integer(0, 3_000);
  const done = (restarting.get(redis) ?? Promise.resolve()).then(async () => {
    scene.killed();
    await redis.stop(signal);
    await pause(ms);
    await redis.start();
  });
  restarting.set(redis, done);
  await done;
  return null;
};

/** Calls `work` with the relays to Redis of one process, or of all. */
const relaysOf = ({ processes }: Scene, one: boolean, pick: <T>(from: readonly T[]) => T) =>
  (one ? [pick(processes)] : processes).map((process) => process.redis);

/** What happens to Redis, which holds everything in memory only, and to the connections with it. */
export const REDIS_FAULTS: readonly Fault[] = [
  { name: 'redis-killed', what: 'kill -9; it comes back empty', on: 'time', do: restart('SIGKILL') },
  { name: 'redis-restarted', what: 'a shutdown; it comes back empty', on: 'time', do: restart('SIGTERM') },
  {
    name: 'redis-flushed',
    what: 'FLUSHALL, up to three times',
    on: 'time',
    do: async (scene, draw) => {
      for (let i = draw.integer(1, 3); i > 0; i--) await withRedis(scene, (client) => client.flushall());
      return null;
    },
  },
  {
    name: 'redis-scripts-flushed',
    what: 'SCRIPT FLUSH',
    on: 'time',
    do: async (scene) => {
      await withRedis(scene, (client) => client.script('FLUSH'));
      return null;
    },
  },
  {
    name: 'redis-full',
    what: 'out of memory with noeviction: every write is refused',
    on: 'time',
    do: async (scene) => {
      await withRedis(scene, (client) => client.config('SET', 'maxmemory', '1'));
      return () => withRedis(scene, (client) => client.config('SET', 'maxmemory', '0'));
    },
  },
  {
    name: 'redis-frozen',
    what: 'the server stands still: it accepts connections and says nothing',
    on: 'time',
    do: async ({ redis }) => {
      const pid = redis.pid();
      send(pid, 'SIGSTOP');
      return async () => send(pid, 'SIGCONT');
    },
  },
  {
    name: 'redis-slow',
    what: 'each packet to and from Redis takes 5 to 100 ms, for one process or for all',
    on: 'time',
    do: async (scene, draw) => {
      const relays = relaysOf(scene, draw.chance(0.5), draw.pick);
      const ms = draw.integer(5, 100);
      for (const relay of relays) relay.delayMs = ms;
      return async () => {
        for (const relay of relays) relay.resume();
      };
    },
  },
  {
    name: 'redis-half-open',
    what: 'the connections with Redis are silent for a while and then go on, for one process or for all',
    on: 'time',
    do: async (scene, draw) => {
      const relays = relaysOf(scene, draw.chance(0.5), draw.pick);
      for (const relay of relays) relay.hush();
      return async () => {
        for (const relay of relays) relay.resume();
      };
    },
  },
  {
    name: 'redis-cut',
    what: 'every connection with Redis is cut at once',
    on: 'time',
    do: async (scene) => {
      for (const { redis } of scene.processes) redis.cutAll();
      return null;
    },
  },
];
