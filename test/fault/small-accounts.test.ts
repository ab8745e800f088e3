import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { eraseNow } from '../../src/erasure/accept/start.ts';
import { refuseNewReferences } from '../../src/locations/table/refuse-new-references.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased, rowsOf } from '../support/evidence.ts';
import { whileDeletionsLinger } from '../support/linger.ts';
import { notificationIn } from '../support/notifications.ts';
import { isFlagged, SMALL, subject } from '../support/subject.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());

/** With more time than a server that looks for deadlocks after a second leaves: only what a test is about may be slow. */
const ask = (account: string, lockBudgetMs = 5_000) => {
  const ctx = { ...domain.ctx, settings: { ...domain.ctx.settings, lockBudgetMs } };
  return requestErasure(ctx, { accountKey: [account], requestedBy: 'test' }, { eraseSmall: true });
};
const eventsOf = async (id: string) =>
  (await world.sql<{ type: string }[]>`SELECT type FROM lethe.event WHERE erasure_id = ${id} ORDER BY id`).map(
    ({ type }) => type,
  );
/** The application adds a post; returns what the database says to it. */
const insertPost = (account: string, feed: string): Promise<string> =>
  world.sql`INSERT INTO posts (account_id, feed_id, title, body) VALUES (${account}, ${feed}, 'late', '')`.then(
    () => 'added',
    (error: { code: string }) => error.code,
  );

describe('a small account, erased by the transaction that accepts it', () => {
  it('leaves the same evidence as any other, in the same order', async () => {
    const s = await subject(world.sql, SMALL);
    const { erasure, created, mail } = await ask(s.account);
    expect([erasure.state, erasure.mode, created]).toEqual(['completed', 'immediate', true]);
    expect(mail).toBe((await notificationIn(world.sql, erasure.id, 'completed', 'pending')).id);
    await expectErased(world.sql, s.account, erasure.id, s.before);
    expect(await eventsOf(erasure.id)).toEqual([
      'erasure.requested',
      'erasure.running',
      'account.erased',
      'erasure.completed',
    ]);
  });

  it('is accepted all the same while the application holds one of its rows, and loses nothing', async () => {
    const s = await subject(world.sql, SMALL);
    const application = postgres(world.url, { max: 1, onnotice: () => {} });
    const { erasure } = await application.begin(async (tx) => {
      await tx`SELECT 1 FROM posts WHERE account_id = ${s.account} LIMIT 1 FOR UPDATE`;
      return ask(s.account);
    });
    await application.end();
    expect(erasure.state).toBe('running');
    expect(await isFlagged(world.sql, s.account)).toBe(true);
    // Its sessions are deleted, and otherwise it is as it was.
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    expect(await eraseNow(domain.ctx, erasure)).toBeNull();
    await expectErased(world.sql, s.account, erasure.id, s.before);
  });

  it("is accepted when erasing it takes longer than the transaction may, and erased in the second one's time", async () => {
    const s = await subject(world.sql, SMALL);
    const { lockBudgetMs } = domain.ctx.settings;
    const perRow = (1.1 * lockBudgetMs) / SMALL / 1000;
    await world.sql.unsafe(`CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(${perRow}); RETURN OLD; END $$;
      CREATE TRIGGER slowly BEFORE DELETE ON posts FOR EACH ROW EXECUTE FUNCTION slowly()`);
    const { erasure } = await ask(s.account, lockBudgetMs);
    expect(erasure.state).toBe('running');
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    expect(await eraseNow(domain.ctx, erasure)).toBeNull();
    await world.sql`DROP TRIGGER slowly ON posts`;
    await expectErased(world.sql, s.account, erasure.id, s.before);
    expect(await world.sql`SELECT 1 FROM lethe.erasure WHERE account_key = ${s.account}`).toHaveLength(1);
  });

  it('is erased by another transaction when a row has gone since it was counted, and what is counted was deleted', async () => {
    const s = await subject(world.sql, SMALL);
    await world.sql.unsafe(`CREATE FUNCTION sign_out() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN UPDATE sessions SET account_id = ${s.bystander} WHERE account_id = ${s.account}; RETURN NULL; END $$;
      CREATE TRIGGER sign_out AFTER DELETE ON posts FOR EACH STATEMENT EXECUTE FUNCTION sign_out()`);
    const { erasure } = await ask(s.account);
    expect(erasure.state).toBe('running');
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    expect(await eraseNow(domain.ctx, erasure)).toBeNull();
    await world.sql`DROP TRIGGER sign_out ON posts`;
    await expectErased(world.sql, s.account, erasure.id, s.before);
  });

  it("keeps another account's row that references its own, which a cascade would delete", async () => {
    const s = await subject(world.sql, SMALL);
    const [feed] = await world.sql<{ id: string }[]>`SELECT id FROM feeds WHERE account_id = ${s.account} LIMIT 1`;
    const [post] = await world.sql<{ id: string }[]>`INSERT INTO posts (account_id, feed_id, title, body)
      VALUES (${s.bystander}, ${feed?.id as string}, 'theirs', '') RETURNING id`;
    const { erasure } = await ask(s.account);
    expect(erasure.state).toBe('running');
    // Nor does the transaction after it take the account, and with it the row.
    expect(await eraseNow(domain.ctx, erasure)).not.toBeNull();
    expect(await rowsOf(world.sql, s.account)).toEqual({ ...s.before, sessions: 0 });
    expect(await world.sql`SELECT 1 FROM posts WHERE id = ${post?.id as string}`).toHaveLength(1);
  });

  it("never takes another account's row along that comes while it is erased", async () => {
    const s = await subject(world.sql, SMALL);
    const [feed] = await world.sql<{ id: string }[]>`SELECT max(id) AS id FROM feeds WHERE account_id = ${s.account}`;
    const [accepted, late] = await whileDeletionsLinger(world, 'feeds', async (begun) => {
      await refuseNewReferences(domain.ctx.db, domain.ctx.catalog);
      const asked = ask(s.account);
      await begun();
      return Promise.all([asked, insertPost(s.bystander, feed?.id as string)]);
    });
    expect([accepted.erasure.state, late]).toEqual(['completed', '23503']);
    await expectErased(world.sql, s.account, accepted.erasure.id, s.before);
    expect(await checksum(world.sql, s.bystander)).toBe(s.sum);
  });

  it('lets no row in while the account itself goes, which a cascade would delete uncounted', async () => {
    const s = await subject(world.sql, SMALL);
    const [feed] = await world.sql<{ id: string }[]>`SELECT max(id) AS id FROM feeds WHERE account_id = ${s.bystander}`;
    const [accepted, late] = await whileDeletionsLinger(world, 'accounts', async (begun) => {
      await refuseNewReferences(domain.ctx.db, domain.ctx.catalog);
      const asked = ask(s.account);
      await begun();
      return Promise.all([asked, insertPost(s.account, feed?.id as string)]);
    });
    expect([accepted.erasure.state, late]).toEqual(['completed', '23503']);
    await expectErased(world.sql, s.account, accepted.erasure.id, s.before);
  });

  it('is one erasure when it is asked for many times at once', async () => {
    const s = await subject(world.sql, SMALL);
    const all = await Promise.all(Array.from({ length: 8 }, () => ask(s.account)));
    expect(new Set(all.map(({ erasure }) => erasure.id)).size).toBe(1);
    expect(all.filter(({ created }) => created)).toHaveLength(1);
    await expectErased(world.sql, s.account, all[0]?.erasure.id as string, s.before);
  });
});
