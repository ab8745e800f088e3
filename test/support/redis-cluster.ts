import { Redis } from 'ioredis';
import { freePort } from '../../dev/free-port.ts';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { until } from './until.ts';

const SLOTS = 16_384;
const MASTERS = 3;
/** With what a URL must escape. */
export const CLUSTER_PASSWORD = 'p,w@d';
const PASSWORD = CLUSTER_PASSWORD;

export type RedisCluster = {
  url: string;
  nodes: RedisServer[];
  /** The node that owns a key's slot now, as this one of them sees it. */
  ownerOf: (key: string, seenBy?: RedisServer) => Promise<RedisServer>;
  /** One more node, which follows this master and takes its place when it dies. */
  addReplicaOf: (master: RedisServer) => Promise<RedisServer>;
  /** Every key of the cluster. */
  keys: () => Promise<string[]>;
  /** Moves a key's slot to another master, key by key, as a reshard does. Returns the new owner. */
  moveSlotOf: (key: string) => Promise<RedisServer>;
  destroy: () => Promise<void>;
};

/**
 * Three masters on loopback, with a password, that share the slots; data in memory only, the map of the slots on disk.
 * `more`: flags of each node besides.
 */
export async function startRedisCluster(more: readonly string[][] = []): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: MASTERS }, (_, n) => startNode(more[n] ?? [])));
  const portOf = (node: RedisServer) => Number(new URL(node.url).port);
  const ask = async <T>(node: RedisServer, work: (redis: Redis) => Promise<T>): Promise<T> => {
    const redis = new Redis(node.url, { password: PASSWORD });
    redis.on('error', () => {});
    try {
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  };
  await form(nodes, ask);

  const [first] = nodes as [RedisServer, ...RedisServer[]];
  const slotOf = (key: string, at = first) => ask(at, (redis) => redis.cluster('KEYSLOT', key));
  const idOf = (node: RedisServer) => ask(node, (redis) => redis.cluster('MYID'));
  const ownerOf = async (key: string, seenBy = first): Promise<RedisServer> => {
    const slot = await slotOf(key, seenBy);
    const ranges = await ask(seenBy, (redis) => redis.cluster('SLOTS'));
    const owner = ranges.find(([first, last]) => first <= slot && slot <= last)?.[2]?.[1];
    return nodes.find((node) => portOf(node) === owner) as RedisServer;
  };
  const moveSlotOf = async (key: string): Promise<RedisServer> => {
    const [slot, from] = [await slotOf(key), await ownerOf(key)];
    const to = nodes[(nodes.indexOf(from) + 1) % nodes.length] as RedisServer;
    const [fromId, toId] = [await idOf(from), await idOf(to)];
    await ask(to, (redis) => redis.cluster('SETSLOT', slot, 'IMPORTING', fromId));
    await ask(from, async (redis) => {
      await redis.cluster('SETSLOT', slot, 'MIGRATING', toId);
      for (;;) {
        const keys = (await redis.cluster('GETKEYSINSLOT', slot, 5)) as string[];
        if (keys.length === 0) break;
        // Where a script has written the same key at both ends, the one that is moved counts, as with --cluster-replace.
        await redis.migrate('127.0.0.1', portOf(to), '', 0, 5_000, 'REPLACE', 'AUTH', PASSWORD, 'KEYS', ...keys);
      }
    });
    for (const node of [to, from, ...nodes.filter((node) => node !== to && node !== from)])
      await ask(node, (redis) => redis.cluster('SETSLOT', slot, 'NODE', toId));
    return to;
  };
  const addReplicaOf = async (master: RedisServer): Promise<RedisServer> => {
    const masterId = await idOf(master);
    const replica = await startNode([]);
    nodes.push(replica);
    await meet(master, replica, ask);
    await until('they know each other', async () =>
      String(await ask(replica, (redis) => redis.cluster('NODES'))).includes(masterId),
    );
    await ask(replica, (redis) => redis.cluster('REPLICATE', masterId));
    const id = await idOf(replica);
    // Only who is known to follow, and has all data, is voted for.
    await until('the replica follows', async () =>
      /master_link_status:up/.test(await ask(replica, (redis) => redis.info('replication'))),
    );
    for (const node of nodes)
      await until('the others know it', async () =>
        String(await ask(node, (redis) => redis.cluster('NODES'))).includes(`${id} 127.0.0.1:${portOf(replica)}@`),
      );
    return replica;
  };
  return {
    url: `redis+cluster://:${encodeURIComponent(PASSWORD)}@${nodes.map((node) => `127.0.0.1:${portOf(node)}`).join(',')}`,
    nodes,
    ownerOf,
    keys: async () => (await Promise.all(nodes.map((node) => ask(node, (redis) => redis.keys('*'))))).flat(),
    moveSlotOf,
    addReplicaOf,
    destroy: async () => {
      await Promise.all(nodes.map((node) => node.destroy()));
    },
  };
}

/** The port for the other nodes is chosen: by default it is 10,000 higher, which a free port may not leave room for. */
const startNode = async (more: readonly string[]): Promise<RedisServer> =>
  startRedis({
    more: [
      ...['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())],
      ...['--cluster-node-timeout', '1000', '--requirepass', PASSWORD, '--masterauth', PASSWORD],
      ...more,
    ],
  });

type Ask = <T>(node: RedisServer, work: (redis: Redis) => Promise<T>) => Promise<T>;

/** What `redis-cli --cluster create` does, without that program: Valkey's has another name. */
async function form(nodes: RedisServer[], ask: Ask): Promise<void> {
  const share = Math.ceil(SLOTS / nodes.length);
  for (const [i, node] of nodes.entries()) {
    await ask(node, async (redis) => {
      await redis.call('CLUSTER', 'ADDSLOTSRANGE', i * share, Math.min(SLOTS, (i + 1) * share) - 1);
      await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
    });
  }
  const [first, ...rest] = nodes as [RedisServer, ...RedisServer[]];
  for (const node of rest) await meet(first, node, ask);
  for (const node of nodes)
    await until('the cluster is whole', async () => {
      const info = String(await ask(node, (redis) => redis.cluster('INFO')));
      return /cluster_state:ok/.test(info) && info.includes(`cluster_size:${nodes.length}`);
    });
}

async function meet(one: RedisServer, other: RedisServer, ask: Ask): Promise<void> {
  const busPort = await ask(other, (redis) => redis.config('GET', 'cluster-port'));
  await ask(one, (redis) =>
    redis.call('CLUSTER', 'MEET', '127.0.0.1', new URL(other.url).port, String((busPort as string[])[1])),
  );
}
