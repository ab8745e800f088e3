import { readFileSync } from 'node:fs';
import postgres from 'postgres';

const base = readFileSync('/tmp/x/url', 'utf8');
const admin = postgres(base.replace('/X', '/postgres'), { max: 1, onnotice: () => {} });
async function fresh() {
  await admin.unsafe('DROP DATABASE IF EXISTS fl WITH (FORCE)');
  await admin.unsafe('CREATE DATABASE fl TEMPLATE base STRATEGY FILE_COPY');
  return base.replace('/X', '/fl');
}
const time = async (n: string, f: () => Promise<unknown>) => {
  const t = performance.now();
  await f();
  console.log(n, (performance.now() - t).toFixed(0), 'ms');
};
for (const [rows, conns] of [
  [0, 1],
  [10000, 1],
  [10000, 2],
  [50000, 2],
  [100000, 2],
] as const) {
  const url = await fresh();
  const sql = postgres(url, { max: conns, onnotice: () => {}, prepare: false });
  const [{ id: acct }] = (await sql`SELECT id FROM accounts WHERE email like 'victim%'`) as any;
  console.log('---', rows, conns);
  if (rows === 0) {
    await time('count index only', () => sql`SELECT count(*) FROM posts WHERE account_id = ${acct}`);
    await time(
      'window',
      () =>
        sql`SELECT * FROM (SELECT id, row_number() OVER (ORDER BY account_id, id) n FROM posts WHERE account_id = ${acct}) x WHERE n % 10000 = 0`,
    );
    await time(
      'recursive',
      () =>
        sql`WITH RECURSIVE b AS (SELECT (SELECT id FROM posts WHERE account_id = ${acct} ORDER BY account_id, id OFFSET 9999 LIMIT 1) AS id UNION ALL SELECT (SELECT p.id FROM posts p WHERE account_id = ${acct} AND p.id > b.id ORDER BY account_id, p.id OFFSET 9999 LIMIT 1) FROM b WHERE b.id IS NOT NULL) SELECT * FROM b`,
    );
    await time('single', () => sql`DELETE FROM posts WHERE account_id = ${acct}`);
    await time(
      'walk acct idx',
      () => sql`SELECT id FROM posts WHERE account_id = ${acct} ORDER BY account_id, id LIMIT 1`,
    );
    await time('again', () => sql`SELECT id FROM posts WHERE account_id = ${acct} ORDER BY account_id, id LIMIT 1`);
    const feeds = await sql`SELECT id FROM feeds WHERE account_id = ${acct}`;
    await time('walk feeds', async () => {
      for (const f of feeds) await sql`SELECT 1 FROM posts WHERE feed_id = ${f.id} LIMIT 1`;
    });
    await time('walk feeds again', async () => {
      for (const f of feeds) await sql`SELECT 1 FROM posts WHERE feed_id = ${f.id} LIMIT 1`;
    });
    await time('feeds', () => sql`DELETE FROM feeds WHERE account_id = ${acct}`);
    await time('account', () => sql`DELETE FROM accounts WHERE id = ${acct}`);
    for (let i = 0; i < 3; i++)
      await time('fsync commit', () => sql`INSERT INTO feeds(account_id,title) values (1,'x')`);
    await sql.end();
    const u2 = await fresh();
    const s2 = postgres(u2, { max: 1, onnotice: () => {} });
    await time('cascade', () => s2`DELETE FROM accounts WHERE id = ${acct}`);
    await s2.end();
    continue;
  }
  const b =
    (await sql`SELECT id FROM (SELECT id, row_number() OVER (ORDER BY account_id, id) n, count(*) over () c FROM posts WHERE account_id = ${acct}) x WHERE n % ${rows} = 0 or n = c`) as any[];
  let i = 0;
  const t = performance.now();
  await Promise.all(
    Array.from({ length: conns }, async () => {
      while (i < b.length) {
        const n = i++;
        await sql`DELETE FROM posts WHERE account_id = ${acct} AND id > ${n ? b[n - 1].id : 0} AND id <= ${b[n].id}`;
      }
    }),
  );
  console.log('ranges', (performance.now() - t).toFixed(0));
  await sql.end();
}
await admin.end();
