import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { populate } from '../../dev/reader.ts';
import { type Erasure, findErasure } from '../../src/erasure/model/states.ts';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { finishErasure } from '../../src/erasure/steps/finish.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { transaction } from '../../src/store/transaction.ts';
import { expectErased } from '../support/evidence.ts';
import { begin, request, run } from '../support/run-by-hand.ts';
import { SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());

/** Every row of a table takes its time to delete, as with an application's own trigger. */
const slow = (table: string, seconds: number) =>
  world.sql.unsafe(`CREATE OR REPLACE FUNCTION slow_${table}() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(${seconds}); RETURN OLD; END $$;
    CREATE OR REPLACE TRIGGER slow BEFORE DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION slow_${table}()`);
const fast = (table: string) => world.sql.unsafe(`DROP TRIGGER slow ON ${table}`);

describe('time limits', () => {
  it('of the last transaction count as locked, whichever limit strikes, and nothing is lost', async () => {
    const s = await subject(world.sql, SMALL);
    const id = await request(domain.ctx, s.account);
    const running = (await findErasure(domain.ctx.db, id)) as Erasure;
    await slow('posts', 0.02);
    // 20 posts take 0.4 s: a statement's limit strikes within, the transaction's a little later.
    await slow('accounts', 0.05);
    // More of them than the pool has connections: one that was ended must be opened again.
    for (const ms of [200, 390, 400, 405, 410, 415, 420, 425, 430, 435, 440, 450]) {
      const outcome = await finishErasure(domain.ctx, running, { rows: 500, ms });
      expect(outcome, `${ms} ms`).toBe('locked');
    }
    await fast('posts');
    await fast('accounts');
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
  });

  it('of a slice make the next ones smaller until they fit', async () => {
    const s = await subject(world.sql);
    const id = await begin(domain.ctx, s.account);
    await slow('posts', 0.004);
    const next = await advanceErasure(domain.ctx, id, 1);
    const size = new SliceSize(200);
    const slices: number[] = [];
    for (const chunk of next.kind === 'dispatch' ? next.dispatch.chunks : []) {
      const hooks = { proceed: () => true, onSlice: (slice: { rows: number }) => void slices.push(slice.rows) };
      expect(await eraseChunk(domain.ctx, chunk.id, size, hooks)).toBe('finished');
    }
    expect(Math.max(...slices)).toBeLessThan(200);
    expect(slices.reduce((a, b) => a + b, 0)).toBe(1000);
    await fast('posts');
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
  });

  it('of an open snapshot beside it, as a backup has, delay nothing', async () => {
    const s = await subject(world.sql, 5000);
    const backup = postgres(world.url, { max: 1, onnotice: () => {} });
    await backup.begin('isolation level repeatable read', async (tx) => {
      await tx`SELECT count(*) FROM posts`;
      const id = await begin(domain.ctx, s.account);
      expect((await run(domain.ctx, id)).kind).toBe('completed');
      await expectErased(world.sql, s.account, id, s.before);
      const [row] = await tx`SELECT count(*)::int AS n FROM posts WHERE account_id = ${s.account}`;
      expect(row?.n).toBe(5000);
    });
    await backup.end();
  });

  it('end a transaction of ours that stands still, so that its locks go', async () => {
    const s = await subject(world.sql, SMALL);
    const limits = { statementMs: 5_000, lockMs: 2_000 };
    const [set] = await transaction(domain.ctx.db, limits, (tx) =>
      tx.execute("SELECT current_setting('idle_in_transaction_session_timeout') AS idle"),
    );
    expect(set).toEqual({ idle: '10s' });

    let taken: () => void = () => {};
    const takenByApplication = new Promise<void>((resolve) => {
      taken = resolve;
    });
    const standing = transaction(domain.ctx.db, { ...limits, totalMs: 300 }, async (tx) => {
      await tx.execute(`SELECT 1 FROM accounts WHERE id = ${s.account} FOR UPDATE`);
      // It says nothing more until the application has the row, which waits for this very transaction.
      await takenByApplication;
      await tx.execute('SELECT 1');
    });
    const outcome = standing.then(
      () => 'committed',
      (error: Error) => error.message,
    );
    await until('it holds the row', async () => {
      const rows = await world.sql`SELECT 1 FROM accounts WHERE id = ${s.account} FOR UPDATE SKIP LOCKED`;
      return rows.length === 0;
    });
    await world.sql`UPDATE accounts SET email = 'changed@example.com' WHERE id = ${s.account}`;
    taken();
    expect(await outcome).toMatch(/^contended: |terminating connection/);
  });

  it('of a request are the end of it: what was answered 503 before its turn came is not done afterwards', async () => {
    const call = await world.api();
    const accounts = await populate(
      world.sql,
      Array.from({ length: 100 }, (_, n) => ({ email: `crowd-${n}@example.com`, posts: 5, feeds: 1 })),
    );
    const ask = (account: string) => call('POST', `/v1/accounts/${account}/erasure`, { body: {} });
    const answers = await world.sql.begin(async (tx) => {
      await tx`LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE`;
      return Promise.all(accounts.map(ask));
    });
    expect(answers.filter(({ body }) => body.code === 'database_unavailable').length).toBeGreaterThan(40);
    // A pool serves in order: when this one has had its turn, all of those have had theirs.
    const { account } = await subject(world.sql, SMALL);
    expect((await ask(account)).status).toBe(200);
    const [row] = await world.sql<{ n: number }[]>`
      SELECT count(*)::int AS n FROM lethe.erasure WHERE account_key = ANY(${accounts})`;
    // Those on the API's twenty connections may have had their turn just before.
    expect(row?.n).toBeLessThanOrEqual(20);
  });
});
