import { connect, createServer, type Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { eraseNow } from '../../src/erasure/accept/start.ts';
import type { Resources } from '../../src/resources.ts';
import type { Transaction } from '../../src/store/client.ts';
import { OWN_TABLES } from '../../src/store/limits.ts';
import { sqlState } from '../../src/store/sql-errors.ts';
import { pipeline, transaction } from '../../src/store/transaction.ts';
import { expectErased } from '../support/evidence.ts';
import { SMALL, subject } from '../support/subject.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
const proxies: Server[] = [];

beforeAll(async () => {
  world = await createWorld();
});
afterEach(() => {
  for (const proxy of proxies.splice(0)) proxy.close();
});
afterAll(() => world.close());

/** Connections of a pool of `domain`'s. */
const POOL = 8;

/** Erases small accounts, each in its acceptance, and proves it. */
async function eraseSome({ ctx }: Resources, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const { account, before } = await subject(world.sql, n % 2 === 0 ? SMALL : 1, 1 + (n % 3));
    const request = { accountKey: [account], requestedBy: 'test' };
    // With time enough: what is slow for once would be erased by another transaction.
    const patient = { ...ctx, settings: { ...ctx.settings, lockBudgetMs: 5_000 } };
    const { erasure } = await requestErasure(patient, request, { eraseSmall: true });
    expect(erasure.state).toBe('completed');
    await expectErased(world.sql, account, erasure.id, before);
  }
}

/** The texts of what is prepared in each session of the pool. */
const prepared = ({ ctx }: Resources): Promise<string[][]> =>
  Promise.all(
    Array.from({ length: POOL }, () =>
      ctx.db.transaction(async (tx) => {
        const rows = await tx.execute<{ text: string }>(
          `SELECT statement AS text FROM pg_prepared_statements, pg_sleep(0.2)`,
        );
        return rows.map((row) => row.text);
      }),
    ),
  );

/** The server at another address. `change` may write into what is sent. */
async function behind(change: (data: Buffer, from: 'client' | 'server') => void): Promise<string> {
  const { hostname, port } = new URL(world.url);
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    for (const [one, other, from] of [
      [client, server, 'client'],
      [server, client, 'server'],
    ] as const) {
      one.on('data', (data) => {
        change(data, from);
        other.write(data);
      });
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  proxies.push(proxy);
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const url = new URL(world.url);
  url.port = String((proxy.address() as { port: number }).port);
  return url.href;
}

/** What a pooler shows of itself: a session whose key is not the server's. */
function behindPooler(): Promise<string> {
  const keyData = Buffer.from([0x4b, 0, 0, 0, 12]);
  return behind((data, from) => {
    const at = from === 'server' ? data.indexOf(keyData) : -1;
    if (at >= 0) data.writeUInt32BE(data.readUInt32BE(at + 5) ^ 0x5a5a, at + 5);
  });
}

describe('statements of a small account', () => {
  it('stay prepared where no pooler stands between, and are no more for more accounts', async () => {
    const domain = await world.domain();
    await eraseSome(domain, 3 * POOL);
    const first = await prepared(domain);
    expect(first.flat().join('\n')).toContain('DELETE FROM "public"."posts"');
    await eraseSome(domain, 3 * POOL);
    const most = (all: string[][]) => Math.max(...all.map((texts) => new Set(texts).size));
    expect(most(await prepared(domain))).toBe(most(first));
    expect(most(first)).toBeLessThan(30);
  });

  it('are read by index whatever values they were planned for', async () => {
    const domain = await world.domain();
    await subject(world.sql, 150_000, 1);
    await world.sql`ANALYZE posts`;
    await eraseSome(domain, 1);
    await eraseSome(domain, POOL);
    const texts = new Set((await prepared(domain)).flat().filter((text) => text.includes('"public"."posts"')));
    expect(texts.size).toBeGreaterThan(2);
    for (const text of texts)
      await world.sql.begin(async (tx) => {
        // The count and the proof are walked in the order of their index; the others are told.
        if (!/ORDER BY/.test(text))
          await tx`SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)`;
        const plan = await tx.unsafe(`EXPLAIN (GENERIC_PLAN) ${text}`);
        const lines = plan.map((row) => row['QUERY PLAN']).join('\n');
        // Of the other tables a few rows are there, which are rightly read as they lie.
        expect(lines).toMatch(/Index (Only )?Scan using posts_\w+ on posts/);
        expect(lines).not.toContain('Seq Scan on posts');
      });
  });

  it('are not prepared behind a pooler', async () => {
    const domain = await world.domain({ DATABASE_URL: await behindPooler() });
    await eraseSome(domain, 2 * POOL);
    expect((await prepared(domain)).flat()).toEqual([]);
  });

  it('run again without when a migration has changed what they return', async () => {
    const domain = await world.domain();
    await eraseSome(domain, 2 * POOL);
    await world.sql`ALTER TABLE lethe.erasure ALTER COLUMN requested_by TYPE varchar`;
    await eraseSome(domain, 2 * POOL);
    expect((await prepared(domain)).flat().join('\n')).toContain('DELETE FROM "public"."posts"');
  });

  it('are prepared no more when the session has lost them, and no account notices', async () => {
    const domain = await world.domain();
    await eraseSome(domain, 2 * POOL);
    const forget = () => domain.ctx.db.transaction((tx) => tx.execute('SELECT pg_sleep(0.2); DEALLOCATE ALL'));
    await Promise.all(Array.from({ length: POOL }, forget));
    // Nor does a transaction that keeps none: the driver's own COMMIT is in no session either.
    const add = () =>
      transaction(domain.ctx.db, OWN_TABLES, (tx) =>
        tx.execute('INSERT INTO lethe.duty (name) VALUES (gen_random_uuid())'),
      );
    await Promise.all(Array.from({ length: POOL }, add));
    expect((await world.sql`SELECT FROM lethe.duty WHERE length(name) = 36`).count).toBe(POOL);
    await eraseSome(domain, 2 * POOL);
    expect(domain.ctx.db.$client.options).toMatchObject({ asked: false });
    const { account, before } = await subject(world.sql, SMALL);
    const { erasure } = await requestErasure(domain.ctx, { accountKey: [account], requestedBy: 'test' });
    expect(await eraseNow(domain.ctx, erasure)).toBeNull();
    await expectErased(world.sql, account, erasure.id, before);
  });

  it('go out together: one answer to each of four writes, soon again after a migration', async () => {
    let answers = 0;
    // Each is ready for a query, within a transaction or after it.
    const ready = [...'IT'].map((state) => Buffer.from(`Z\0\0\0\x05${state}`));
    const url = await behind((data, from) => {
      if (from === 'client') return;
      for (const one of ready) for (let at = data.indexOf(one); at >= 0; at = data.indexOf(one, at + 1)) answers++;
    });
    // Nothing but this test asks anything: the catalog is compared with the database at that interval.
    const domain = await world.domain({ DATABASE_URL: url, LETHE_RECONCILE_INTERVAL: '60s' });
    const reads = async (count: number) => {
      for (let n = 0; n < count; n++)
        await keeping(domain, (tx) =>
          pipeline([
            () => tx.execute(sql`SELECT held_by FROM lethe.erasure LIMIT 1`),
            () => tx.execute(sql`SELECT 1 AS one`),
          ]),
        );
    };
    const answersToTen = async (work: (count: number) => Promise<void>) => {
      await work(2 * POOL);
      answers = 0;
      await work(10);
      return answers;
    };
    const erase = (count: number) => eraseSome(domain, count);
    expect([await answersToTen(erase), await answersToTen(reads)]).toEqual([40, 20]);
    await world.sql`ALTER TABLE lethe.erasure ALTER COLUMN held_by TYPE varchar`;
    expect([await answersToTen(erase), await answersToTen(reads)]).toEqual([40, 20]);
  });

  it('fail with the one that fails, and the next ones on that connection do not', async () => {
    const domain = await world.domain();
    await eraseSome(domain, 1);
    const add = (tx: Transaction, name: string) => tx.execute(sql`INSERT INTO lethe.duty (name) VALUES (${name})`);
    for (const names of [
      ['one', 'one', 'two'],
      ['one', 'two', 'two'],
    ]) {
      const failing = keeping(domain, (tx) => pipeline(names.map((name) => () => add(tx, name))));
      expect(await stateOf(failing)).toBe('23505');
      const [first, second] = await keeping(domain, (tx) =>
        pipeline([
          () => tx.execute<{ n: number }>(sql`SELECT count(*)::int AS n FROM lethe.duty WHERE name IN ('one', 'two')`),
          () => tx.execute<{ n: number }>(sql`SELECT n FROM generate_series(1, 3) AS n`),
        ]),
      );
      expect([[...first], [...second]]).toEqual([[{ n: 0 }], [{ n: 1 }, { n: 2 }, { n: 3 }]]);
    }
  });

  it('are not executed when the BEGIN that they go out with fails, and nobody else on that connection notices', async () => {
    let spoilt = 0;
    let spoil = 0;
    const text = Buffer.from('begin ');
    const url = await behind((data, from) => {
      const at = from === 'client' && spoil > 0 ? data.indexOf(text) : -1;
      if (at < 0) return;
      spoil--;
      spoilt++;
      data.write('bogus', at);
    });
    const domain = await world.domain({ DATABASE_URL: url });
    await eraseSome(domain, 1);
    const add = (tx: Transaction) =>
      tx.execute(sql`INSERT INTO lethe.duty (name) VALUES ('late ' || gen_random_uuid())`);
    const added = async () => (await world.sql`SELECT FROM lethe.duty WHERE name LIKE 'late %'`).count;
    const ways: ((tx: Transaction) => Promise<unknown>)[] = [
      (tx) => pipeline([() => add(tx), () => add(tx)]),
      // Before the answer, and after it.
      async (tx) => {
        await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
        await add(tx);
      },
      async (tx) => {
        await pause(100);
        await add(tx);
      },
    ];
    for (const [n, way] of ways.entries()) {
      spoil = 1;
      const failing = stateOf(keeping(domain, way));
      const others = Array.from({ length: 3 * POOL }, () => transaction(domain.ctx.db, OWN_TABLES, add));
      expect(await failing).toBe('42601');
      await Promise.all(others);
      expect([spoilt, await added()]).toEqual([n + 1, (n + 1) * 3 * POOL]);
    }
    await eraseSome(domain, 2 * POOL);
  });
});

/** A transaction whose statements are kept. */
const keeping = <T>({ ctx }: Resources, work: (tx: Transaction) => Promise<T>): Promise<T> =>
  transaction(ctx.db, OWN_TABLES, work, { prepared: true });

const stateOf = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => 'committed',
    (error) => sqlState(error),
  );
