import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { populate } from '../../dev/reader.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import type { Resources } from '../../src/resources.ts';
import { createTally, readTally } from '../harness/application.ts';
import {
  bystandersUnchanged,
  ledgerExact,
  lookBefore,
  nothingHeld,
  nothingLeft,
  nothingTaken,
} from '../harness/checks.ts';
import { redisInOrder } from '../harness/checks-redis.ts';
import { Relay } from '../harness/relay.ts';
import { Wire } from '../harness/wire.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
  await createTally(world.sql);
});
afterAll(() => world.close());

describe('each check finds what it is there for', () => {
  it('rows that are left, a changed bystander, and a ledger that says too little', async () => {
    const { sql } = world;
    const ids = await populate(sql, [
      { email: 'victim@check.test', posts: 20, feeds: 2 },
      { email: 'bystander@check.test', posts: 5, feeds: 1 },
    ]);
    const [victim, bystander] = ids as [string, string];
    const before = await lookBefore(sql, ids, [bystander]);
    const rows = before.rows.get(victim);
    if (!rows) throw new Error('nobody has counted');
    expect(await nothingLeft(sql, victim)).toHaveLength(4);
    const request = { accountKey: [victim], requestedBy: 'test' };
    // With time enough: what is slow for once would be accepted and not erased.
    const patient = { ...domain.ctx, settings: { ...domain.ctx.settings, lockBudgetMs: 5_000 } };
    const { erasure } = await requestErasure(patient, request, { eraseSmall: true });

    expect(await nothingLeft(sql, victim)).toEqual([]);
    expect(await ledgerExact(sql, erasure.id, rows)).toEqual([]);
    expect(await bystandersUnchanged(sql, [bystander], before)).toEqual([]);

    await sql`UPDATE lethe.chunk SET rows_deleted = rows_deleted - 1 WHERE rows_deleted = 20`;
    expect((await ledgerExact(sql, erasure.id, rows)).join()).toContain('19 rows of posts, deleted were 20');
    await sql`INSERT INTO harness.tally (whose, location, delta) VALUES (${victim}, 'posts', -1)`;
    expect(await ledgerExact(sql, erasure.id, rows, (await readTally(sql)).get(victim))).toEqual([]);

    await sql`UPDATE posts SET title = title || '.' WHERE id = (SELECT min(id) FROM posts WHERE account_id = ${bystander})`;
    expect(await bystandersUnchanged(sql, [bystander], before)).toHaveLength(1);
    const receiver = before.rows.get(bystander);
    expect(receiver && (await nothingTaken(sql, bystander, receiver))).toEqual([]);
    expect(receiver && (await nothingTaken(sql, bystander, receiver, { posts: 1 }))).toHaveLength(1);
  });

  it('a session that is idle in transaction, and its locks', async () => {
    const { sql } = world;
    expect(await nothingHeld(sql)).toEqual([]);
    const other = postgres(world.url, { max: 1, connection: { application_name: 'lethe-forgotten' } });
    const found = await other.begin(async (tx) => {
      await tx`LOCK TABLE posts IN ACCESS SHARE MODE`;
      return nothingHeld(sql);
    });
    await other.end();
    expect(found.join()).toMatch(/lethe-forgotten is left idle in transaction.*still holds relation AccessShareLock/);
  });

  it('a scheduler that is missing, and a job that nobody runs', async () => {
    const { REDIS_URL = '', LETHE_REDIS_PREFIX = '' } = world.env;
    expect(await redisInOrder(REDIS_URL, LETHE_REDIS_PREFIX)).toEqual(['Redis: the scheduler of the sweep is missing']);
    await domain.producers.queues.chunks.add('chunk.erase', {}, { jobId: 'orphan' });
    expect((await redisInOrder(REDIS_URL, LETHE_REDIS_PREFIX)).join()).toContain(
      'the job orphan in chunks is left waiting',
    );
  });
});

describe('the wire', () => {
  const through = async (work: (wire: Wire, client: postgres.Sql) => Promise<void>) => {
    const wire = await Wire.open(() => Number(new URL(world.url).port));
    const url = world.url.replace(/:\d+\//, `:${wire.relay.port}/`);
    const client = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false, prepare: false });
    try {
      await work(wire, client);
    } finally {
      await client.end({ timeout: 1 });
      await wire.relay.close();
    }
  };

  it('cuts a commit whose outcome nobody learns: before it nothing, after it everything', async () => {
    await through(async (wire, client) => {
      await world.sql`CREATE TABLE outcome (n int)`;
      const attempt = (n: number) => client.begin((tx) => tx`INSERT INTO outcome VALUES (${n})`);
      wire.at('commit', 1, async (stop) => stop.cut());
      await expect(attempt(1)).rejects.toThrow();
      wire.at('commit', 2, async (stop) => {
        stop.mute();
        stop.forward();
        stop.cut();
      });
      await attempt(2);
      await expect(attempt(3)).rejects.toThrow();
      await expect.poll(() => world.sql`SELECT n FROM outcome ORDER BY n`).toEqual([{ n: 2 }, { n: 3 }]);
    });
  });

  it('stands still, goes on, and moves to where the server is', async () => {
    await through(async (wire, client) => {
      await client`SELECT 1`;
      wire.relay.hush();
      let answered = false;
      const asked = client`SELECT 2 AS n`.then((rows) => {
        answered = true;
        return rows[0]?.n;
      });
      // Long enough for an answer: the server gives a hundred, one after the other, to who asks it directly.
      for (let n = 0; n < 100; n++) await world.sql`SELECT ${n}::int`;
      expect(answered).toBe(false);
      wire.relay.resume();
      expect(await asked).toBe(2);
    });
    const relay = await Relay.open(() => Number(new URL(world.env.REDIS_URL as string).port));
    expect(await redisInOrder(`redis://127.0.0.1:${relay.port}`, '{nobody}')).toHaveLength(1);
    await relay.close();
  });
});
