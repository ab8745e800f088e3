import { connect, createServer, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { transaction } from '../../src/db/transaction.ts';
import { OWN_TABLES } from '../../src/erasure/context.ts';
import { requestErasure } from '../../src/erasure/request.ts';
import { eraseNow } from '../../src/erasure/start.ts';
import type { Resources } from '../../src/resources.ts';
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
    const { erasure } = await requestErasure(ctx, request, { eraseSmall: true });
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

/** What a pooler shows of itself: a session whose key is not the server's. */
async function behindPooler(): Promise<string> {
  const { hostname, port } = new URL(world.url);
  const keyData = Buffer.from([0x4b, 0, 0, 0, 12]);
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    server.on('data', (data) => {
      const at = data.indexOf(keyData);
      if (at >= 0) data.writeUInt32BE(data.readUInt32BE(at + 5) ^ 0x5a5a, at + 5);
      client.write(data);
    });
    client.on('data', (data) => server.write(data));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
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
});
