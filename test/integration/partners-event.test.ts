import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { type Asked, consume } from '../../src/consumer/index.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

let server: RedisServer;
let redis: Redis;
let world: World;
let api: Awaited<ReturnType<World['api']>>;
let stream: string;
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  const catalog = `${READER_CATALOG}  - { partner: search, owner: search, event: { ackTimeout: 1s } }\n`;
  // One test stops the server.
  redis.on('error', () => {});
  world = await createWorld({ catalog, env: { LETHE_EVENTS_URL: server.url } });
  stream = `${world.env.LETHE_REDIS_PREFIX}:events`;
  api = await world.api();
  await world.worker({ LETHE_PUBLIC_URL: api.base });
});
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
  await world.sql`UPDATE lethe.call SET settled_at = now(), next_at = NULL, state = 'dropped' WHERE settled_at IS NULL`;
});
afterAll(async () => {
  await world?.close();
  redis?.disconnect();
  await server?.destroy();
});

const erase = async (): Promise<{ id: string; account: string }> => {
  const [row] = await world.sql<{ id: string }[]>`
    INSERT INTO accounts (email) VALUES (${`event-${Math.random()}@example.com`}) RETURNING id::text`;
  const account = row?.id as string;
  const { status, body } = await api('POST', `/v1/accounts/${account}/erasure`);
  expect([200, 202], JSON.stringify(body)).toContain(status);
  return { id: body.id as string, account };
};
const callOf = (id: string) =>
  until('there is a call', async () => {
    const [call] = await world.sql<{ id: string }[]>`SELECT id FROM lethe.call WHERE erasure_id = ${id}`;
    return call?.id;
  });
const stateOf = async (id: string) => (await world.sql`SELECT state FROM lethe.erasure WHERE id = ${id}`)[0]?.state;
const published = async (): Promise<string[]> =>
  (await redis.xrange(stream, '-', '+')).map(([, fields]) => fields[1] as string);
/** A consumer of the partner's, until the test ends. */
function reader(handle: (asked: Asked) => unknown = () => {}) {
  const stopping = new AbortController();
  const { signal } = stopping;
  const ended = consume({ redis: server.url, stream, group: 'search', partner: 'search', handle, signal });
  ends.push(() => {
    stopping.abort();
    return ended;
  });
}

describe('a partner that reads from a bus', () => {
  it('is awaited, until its consumer has acknowledged', async () => {
    const { id, account } = await erase();
    await until('it is published', async () => (await published()).length > 0);
    expect(await stateOf(id)).toBe('awaiting');
    const heard: Asked[] = [];
    reader((asked) => heard.push(asked));
    await until('it is completed', async () => (await stateOf(id)) === 'completed');
    expect(heard.some(({ erasure, account: key }) => erasure === id && key.id === account)).toBe(true);
    const [call] = await world.sql`SELECT state, sealed FROM lethe.call WHERE erasure_id = ${id}`;
    expect(call).toMatchObject({ state: 'done', sealed: null });
  });

  it('is told again with the same id, when it has not acknowledged in time', async () => {
    const { id } = await erase();
    const call = await callOf(id);
    await until('it comes again', async () => (await published()).filter((one) => one === call).length >= 2);
    expect(await stateOf(id)).toBe('awaiting');
  });

  it.each([
    ['the stream was deleted', () => redis.del(stream)],
    ['Redis was flushed', () => redis.flushall()],
    ['the group was deleted', () => redis.xgroup('DESTROY', stream, 'search').catch(() => {})],
    ['the stream was cut off', () => redis.xtrim(stream, 'MAXLEN', 0)],
  ])('is told again when %s before it read', async (_, lose) => {
    const { id } = await erase();
    const call = await callOf(id);
    await until('it is published', async () => (await published()).includes(call));
    await lose();
    reader();
    await until('it is completed', async () => (await stateOf(id)) === 'completed');
  });

  it('misses nothing of transactions that commit in another order than their ids', async () => {
    const { id } = await erase();
    await callOf(id);
    const [early, late] = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002'];
    const copy = (sql: Pick<World['sql'], 'unsafe'>, as: string) =>
      sql.unsafe(
        `INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, next_at)
         SELECT '${as}', erasure_id, task_id, partner, pass, 'open', 1, now() FROM lethe.call WHERE erasure_id = '${id}' LIMIT 1`,
      );
    await world.sql.begin(async (open) => {
      await copy(open, early as string);
      await copy(world.sql, late as string);
      await until('the later one is published', async () => (await published()).includes(late as string));
      expect(await published()).not.toContain(early);
    });
    await until('the earlier one is published', async () => (await published()).includes(early as string));
  });

  it('is told when its bus is back', async () => {
    await server.stop();
    const { id } = await erase();
    const words = await until('a try failed', async () => {
      const [call] = await world.sql<{ words: string | null }[]>`
        SELECT last_words AS words FROM lethe.call WHERE erasure_id = ${id}`;
      return call?.words;
    });
    expect(words).toMatch(/cannot be reached|does not answer/);
    await server.start();
    reader();
    await until('it is completed', async () => (await stateOf(id)) === 'completed', 90_000);
  });
});
