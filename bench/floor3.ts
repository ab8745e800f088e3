import { readFileSync } from 'node:fs';
import postgres from 'postgres';

const base = readFileSync('/tmp/x/url', 'utf8');
const admin = postgres(base.replace('/X', '/postgres'), { max: 1, onnotice: () => {} });
async function fresh() {
  await admin.unsafe('DROP DATABASE IF EXISTS fl WITH (FORCE)');
  await admin.unsafe('CREATE DATABASE fl TEMPLATE base STRATEGY FILE_COPY');
  return base.replace('/X', '/fl');
}
for (let r = 0; r < 2; r++)
  for (const [rows, conns, what] of [
    [0, 1, 'cascade'],
    [0, 1, 'single'],
    [10000, 1, 'bitmap'],
    [10000, 2, 'bitmap'],
    [10000, 1, 'row'],
    [10000, 2, 'row'],
    [50000, 2, 'bitmap'],
    [50000, 2, 'row'],
    [2500, 1, 'row'],
    [2500, 1, 'bitmap'],
  ] as const) {
    const url = await fresh();
    const sql = postgres(url, { max: conns, onnotice: () => {}, prepare: false });
    const [{ id: acct }] = (await sql`SELECT id FROM accounts WHERE email like 'victim%'`) as any;
    const b: any[] = rows
      ? await sql`SELECT id FROM (SELECT id, row_number() OVER (ORDER BY account_id, id) n, count(*) over () c FROM posts WHERE account_id = ${acct}) x WHERE n % ${rows} = 0 or n = c`
      : [];
    if (what === 'bitmap')
      await sql.unsafe('alter database fl set enable_indexscan=off; alter database fl set enable_seqscan=off;');
    await sql.end();
    const s = postgres(url, { max: conns, onnotice: () => {}, prepare: false });
    await Promise.all(Array.from({ length: conns }, () => s`select pg_sleep(0.01)`));
    let i = 0;
    const t = performance.now();
    if (what === 'cascade') await s`DELETE FROM accounts WHERE id = ${acct}`;
    else if (what === 'single') await s`DELETE FROM posts WHERE account_id = ${acct}`;
    else
      await Promise.all(
        Array.from({ length: conns }, async () => {
          while (i < b.length) {
            const n = i++;
            if (what === 'bitmap')
              await s`DELETE FROM posts WHERE account_id = ${acct} AND id > ${n ? b[n - 1].id : 0} AND id <= ${b[n].id}`;
            else
              await s`DELETE FROM posts WHERE account_id = ${acct} AND (account_id, id) > (${acct}, ${n ? b[n - 1].id : 0}) AND (account_id, id) <= (${acct},${b[n].id})`;
          }
        }),
      );
    const d = performance.now() - t;
    let feeds = '';
    if (what === 'row' && conns === 2) {
      const fs = await s`SELECT id FROM feeds WHERE account_id = ${acct}`;
      let j = 0;
      const t2 = performance.now();
      await Promise.all(
        Array.from({ length: 2 }, async () => {
          while (j < fs.length) {
            const k = fs.slice(j, (j += 10)).map((f) => f.id);
            await s`SELECT x FROM unnest(${k}::bigint[]) f, LATERAL (SELECT 1 as x FROM posts WHERE feed_id = f LIMIT 1) q`;
          }
        }),
      );
      feeds = ` feeds walk ${(performance.now() - t2).toFixed(0)}`;
      const t3 = performance.now();
      await s`SELECT 1 FROM posts WHERE account_id >= ${acct} AND account_id <= ${acct} ORDER BY account_id, id LIMIT 1`;
      feeds += ` acct ${(performance.now() - t3).toFixed(0)}`;
    }
    console.log(what, rows, conns, d.toFixed(0), feeds);
    await s.end();
  }
await admin.end();
