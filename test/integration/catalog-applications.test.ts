import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eraseRows } from '../../src/locations/table/rows/erase-rows.ts';
import { transaction } from '../../src/store/transaction.ts';
import { checksum, expectErased, ledger, rowsOf } from '../support/evidence.ts';
import { accepted, LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

const ADMIN = { auth: `Bearer ${KEYS.admin}` };
const completed = (call: Call, id: string) =>
  until('the erasure is completed', async () => {
    const { body } = await call('GET', `/v1/erasures/${id}`, ADMIN);
    return body.state === 'completed' && body;
  });

describe('an application with uuid keys in a schema of its own', () => {
  const CATALOG = `
account: { table: shop.members, key: id, email: mail, flag: leaving_since }
locations:
  - { name: logins, table: shop.logins, account: member, at: request, owner: identity }
  - { name: orders, table: shop.orders, account: buyer, owner: sales }
  - { name: lines,  table: shop.OrderLines, account: buyer, owner: sales }
`;
  const TABLES = `
    CREATE SCHEMA shop;
    CREATE TABLE shop.members (id uuid PRIMARY KEY, mail text, leaving_since timestamptz);
    CREATE TABLE shop.logins (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      member uuid NOT NULL REFERENCES shop.members);
    CREATE TABLE shop.orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      buyer uuid NOT NULL REFERENCES shop.members ON DELETE CASCADE);
    CREATE TABLE shop."OrderLines" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), buyer uuid NOT NULL,
      "order" uuid NOT NULL REFERENCES shop.orders ON DELETE CASCADE);
    CREATE INDEX ON shop.logins (member, id);
    CREATE INDEX ON shop.orders (buyer, id);
    CREATE INDEX ON shop."OrderLines" (buyer, id);
    CREATE INDEX ON shop."OrderLines" ("order");`;
  let world: World;
  let call: Call;

  beforeAll(async () => {
    world = await createWorld({ catalog: CATALOG });
    await world.sql.unsafe(TABLES);
    call = await world.api();
    await world.worker();
  });
  afterAll(() => world.close());

  const HELD = [
    ['shop.members', 'id'],
    ['shop.logins', 'member'],
    ['shop.orders', 'buyer'],
    ['shop."OrderLines"', 'buyer'],
  ] as const;
  const counts = (member: string) =>
    Promise.all(
      HELD.map(async ([table, column]) => {
        const rows = await world.sql.unsafe(`SELECT 1 FROM ${table} WHERE ${column} = $1`, [member]);
        return rows.length;
      }),
    );
  const sumOf = async (member: string) => {
    const sums = HELD.map(
      ([table, column]) => `SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM ${table} t WHERE ${column} = $1`,
    );
    return JSON.stringify(await world.sql.unsafe(sums.join(' UNION ALL '), [member]));
  };

  it.each([
    ['in the request', 20],
    ['by the workers', 2_500],
  ])('is erased %s, asked for with an upper-case uuid', async (_, orders) => {
    const [victim, bystander] = [crypto.randomUUID(), crypto.randomUUID()];
    for (const member of [victim, bystander]) {
      await world.sql`INSERT INTO shop.members VALUES (${member}, ${`${member}@example.com`})`;
      await world.sql`INSERT INTO shop.logins (member) SELECT ${member} FROM generate_series(1, 3)`;
      await world.sql`INSERT INTO shop.orders (buyer) SELECT ${member} FROM generate_series(1, ${orders}::int)`;
      await world.sql`INSERT INTO shop."OrderLines" (buyer, "order")
        SELECT buyer, id FROM shop.orders, generate_series(1, 2) WHERE buyer = ${member}`;
    }
    expect(await counts(victim)).toEqual([1, 3, orders, 2 * orders]);
    const sum = await sumOf(bystander);

    const small = orders < 1_000;
    const { answer, id } = await accepted(call, victim.toUpperCase());
    expect(answer.body).toMatchObject({ accountId: victim, state: small ? 'completed' : 'scheduled' });
    expect((await accepted(call, victim)).id).toBe(id);
    if (!small) {
      const [member] = await world.sql`SELECT leaving_since FROM shop.members WHERE id = ${victim}`;
      expect(member?.leaving_since).toBeInstanceOf(Date);
      expect(await counts(victim)).toEqual([1, 0, orders, 2 * orders]);
      expect((await call('POST', `/v1/erasures/${id}/start`)).status).toBe(202);
    }
    await completed(call, id);

    expect(await counts(victim)).toEqual([0, 0, 0, 0]);
    const evidence = { logins: 3, orders, lines: 2 * orders, members: 1 };
    expect(await ledger(world.sql, id)).toEqual(evidence);
    expect(await sumOf(bystander)).toBe(sum);
    expect((await accepted(call, victim.toUpperCase())).id).toBe(id);
    const rows = await world.sql`SELECT account_key FROM lethe.erasure WHERE account_key ILIKE ${victim}`;
    expect(rows).toEqual([{ account_key: victim }]);
  });

  it('does not know an account that is not there, nor a number', async () => {
    const before = await world.sql`SELECT count(*) FROM lethe.erasure`;
    const unknown = await call('POST', `/v1/accounts/${crypto.randomUUID()}/erasure`, { body: {} });
    expect([unknown.status, unknown.body.code]).toEqual([404, 'not_found']);
    const number = await call('POST', '/v1/accounts/7/erasure', { body: {} });
    expect([number.status, number.body.code, number.body.field]).toEqual([422, 'invalid_request', 'accountId']);
    expect(await world.sql`SELECT count(*) FROM lethe.erasure`).toEqual(before);
  });
});

describe('an application with a composite foreign key', () => {
  let world: World;
  let call: Call;

  beforeAll(async () => {
    world = await createWorld();
    await world.sql.unsafe(`
      ALTER TABLE feeds ADD UNIQUE (account_id, id);
      ALTER TABLE posts DROP CONSTRAINT posts_feed_id_fkey,
        ADD FOREIGN KEY (account_id, feed_id) REFERENCES feeds (account_id, id) ON DELETE CASCADE;
      CREATE INDEX ON posts (account_id, feed_id);`);
    call = await world.api();
    await world.worker();
  });
  afterAll(() => world.close());

  it.each([
    ['in the request', SMALL],
    ['by the workers', LARGE],
  ])('is erased %s and exactly', async (_, posts) => {
    const { account, bystander, before, sum } = await subject(world.sql, posts);
    const { id } = await accepted(call, account, { body: { startNow: true } });
    await completed(call, id);
    await expectErased(world.sql, account, id, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });

  it('counts the children of exactly the parents that go, which the key would have taken along unseen', async () => {
    const { ctx } = await world.domain();
    const feeds = ctx.catalog.tables.find((l) => l.name === 'feeds');
    expect(feeds?.children).toMatchObject([{ columns: ['account_id', 'feed_id'], referenced: ['account_id', 'id'] }]);
    if (!feeds) return;
    const { account, bystander, before, sum } = await subject(world.sql, SMALL);
    const [first] = await world.sql<{ id: string; posts: number }[]>`
      SELECT f.id::text, count(p.id)::int AS posts FROM feeds f JOIN posts p ON p.feed_id = f.id
       WHERE f.account_id = ${account} GROUP BY f.id ORDER BY f.id LIMIT 1`;
    const posts = Number(first?.posts);
    expect(posts).toBeGreaterThan(0);
    expect(posts).toBeLessThan(SMALL);

    const pick = { lower: null, upper: [String(first?.id)], limit: undefined, skipLocked: false };
    const deleted = await transaction(ctx.db, { statementMs: 5_000, lockMs: 1_000 }, (tx) =>
      eraseRows(tx, ctx.catalog, feeds, [account], pick),
    );
    expect(Object.fromEntries(deleted.rows)).toEqual({ feeds: 1, posts });
    expect(await rowsOf(world.sql, account)).toEqual({ ...before, feeds: 2, posts: SMALL - posts });
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });
});
