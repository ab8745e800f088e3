import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { type Bus, type BusEvent, WINDOW } from '../../src/bus/bus.ts';
import { openBus } from '../../src/bus/open.ts';
import { createLogger } from '../../src/logger.ts';
import { until } from '../support/until.ts';
import { conformance } from './bus-conformance.ts';

const eventOf = (fields: string[]): BusEvent => {
  const all = Object.fromEntries(
    Array.from({ length: fields.length / 2 }, (_, at) => [fields[2 * at], fields[2 * at + 1]]),
  ) as Record<string, string>;
  const { id = '', partner = '', event = '', ...headers } = all;
  return { id, partner, body: event, headers };
};

conformance('Redis Streams', async () => {
  const server = await startRedis({ durable: true });
  const redis = new Redis(server.url);
  return {
    url: server.url,
    refusedUrl: server.url.replace('://', '://nobody:secret-word@'),
    pid: server.pid,
    subscribe: async (channel) => {
      await redis.xgroup('CREATE', channel, 'readers', '0', 'MKSTREAM');
    },
    read: async (channel, count) => {
      const read = (await redis.xreadgroup('GROUP', 'readers', 'one', 'COUNT', count, 'STREAMS', channel, '>')) as
        | [string, [string, string[]][]][]
        | null;
      const entries = read?.[0]?.[1] ?? [];
      if (entries.length > 0) await redis.xack(channel, 'readers', ...entries.map(([id]) => id));
      return entries.map(([, fields]) => eventOf(fields));
    },
    remove: async (channel) => {
      await redis.del(channel);
    },
    occupy: async (channel) => {
      await redis.set(channel, 'a text');
    },
    stop: server.stop,
    start: async () => {
      await server.start();
      await until('it is reached', () => redis.ping().then(() => true));
    },
    close: async () => {
      redis.disconnect();
      await server.destroy();
    },
  };
});

describe('the window of a stream', () => {
  let server: RedisServer;
  let redis: Redis;
  let bus: Bus;
  let streams = 0;
  const fresh = () => `{lethe}:window-${++streams}`;
  const publish = (stream: string, count: number, body = '{}') =>
    bus.publish(
      stream,
      Array.from({ length: count }, () => ({ id: 'x', partner: 'p', body, headers: {} })),
      AbortSignal.timeout(10_000),
    );
  const read = async (stream: string, group: string, count: number, ack = true) => {
    const got = (await redis.xreadgroup('GROUP', group, 'one', 'COUNT', count, 'STREAMS', stream, '>')) as [
      string,
      [string, string[]][],
    ][];
    const ids = got[0]?.[1].map(([id]) => id) ?? [];
    if (ack) await redis.xack(stream, group, ...ids);
    return ids;
  };
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
    bus = openBus({ url: server.url, prefix: '{lethe}' }, createLogger('silent', 'test'));
    await until('it is reached', async () => (await bus.room(fresh())) === WINDOW.events);
  });
  afterAll(async () => {
    await bus?.close();
    redis?.disconnect();
    await server?.destroy();
  });

  it('is as large as the slowest of its groups leaves it', async () => {
    const stream = fresh();
    for (const group of ['fast', 'slow']) await redis.xgroup('CREATE', stream, group, '0', 'MKSTREAM');
    await publish(stream, 1_000);
    await read(stream, 'fast', 1_000);
    await read(stream, 'slow', 300);
    await read(stream, 'slow', 100, false);
    expect(await bus.room(stream)).toBe(WINDOW.events - 700);
  });

  it('grows by all that is published where no group reads', async () => {
    const stream = fresh();
    await publish(stream, 400);
    expect(await bus.room(stream)).toBe(WINDOW.events - 400);
  });

  it('cuts off what its groups have read, and nothing that one needs', async () => {
    const stream = fresh();
    await redis.xgroup('CREATE', stream, 'readers', '0', 'MKSTREAM');
    for (let n = 0; n < 25; n++) {
      expect(await bus.room(stream)).toBeGreaterThanOrEqual(1_000);
      await publish(stream, 1_000);
      await read(stream, 'readers', 900);
      if (n % 3 === 2) await read(stream, 'readers', 300);
    }
    expect(await redis.xlen(stream)).toBeLessThanOrEqual(WINDOW.events + 200);
    const [group] = (await redis.xinfo('GROUPS', stream)) as unknown[][];
    const lag = Number(group?.[(group?.indexOf('lag') ?? 0) + 1]);
    expect(lag).toBe(25 * 100 - 8 * 300);
    expect(await read(stream, 'readers', 9_999)).toHaveLength(lag);
  });

  it('is counted where Redis cannot tell how far a group is behind', async () => {
    const stream = fresh();
    await redis.xgroup('CREATE', stream, 'readers', '0', 'MKSTREAM');
    for (let n = 0; n < 10; n++) await publish(stream, 1_000);
    const ids = await read(stream, 'readers', 4_000);
    const [next] = await redis.xrange(stream, `(${ids.at(-1)}`, '+', 'COUNT', 2).then((all) => all.slice(1));
    // An entry that is deleted behind the group makes its lag unknown.
    await redis.xdel(stream, next?.[0] as string);
    const [group] = (await redis.xinfo('GROUPS', stream)) as unknown[][];
    expect(group?.[group.indexOf('lag') + 1]).toBeNull();
    expect(await bus.room(stream)).toBeGreaterThan(0);
    await publish(stream, 5);
    await until('the rest is cut off', async () => (await bus.room(stream)) >= 3_800);
    expect(await read(stream, 'readers', 9_999)).toHaveLength(6_004);
  });

  it('holds fewer events where they are large', async () => {
    const stream = fresh();
    await redis.xgroup('CREATE', stream, 'readers', '0', 'MKSTREAM');
    const before = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    const large = JSON.stringify({ text: 'x'.repeat(20_000) });
    for (let n = 0; n < 50 && (await bus.room(stream)) > 0; n++)
      await publish(stream, Math.min(100, await bus.room(stream)), large);
    expect(await bus.room(stream)).toBe(0);
    const after = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    expect(after - before).toBeLessThan(WINDOW.bytes);
    expect(after - before).toBeGreaterThan(WINDOW.bytes / 2);
  });
});
