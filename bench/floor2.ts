import { readFileSync } from 'node:fs';
import postgres from 'postgres';

const base = readFileSync('/tmp/x/url', 'utf8');
const admin = postgres(base.replace('/X', '/postgres'), { max: 1, onnotice: () => {} });
async function fresh() {
  await admin.unsafe('DROP DATABASE IF EXISTS fl WITH (FORCE)');
  await admin.unsafe('CREATE DATABASE fl TEMPLATE base STRATEGY FILE_COPY');
  return base.replace('/X', '/fl');
}
for (let r = 0; r < 3; r++)
  for (const [rows, conns, what] of [
    [0, 1, 'cascade'],
    [0, 1, 'single'],
    [10000, 1, ''],
    [10000, 2, ''],
    [50000, 2, ''],
    [10000, 3, ''],
  ] as const) {
    const url = await fresh();
    const sql = postgres(url, { max: conns, onnotice: () => {}, prepare: false });
    const [{ id: acct }] = (await sql`SELECT id FROM accounts WHERE email like 'victim%'`) as any;
    const b: any[] = rows
      ? await sql`SELECT id FROM (SELECT id, row_number() OVER (ORDER BY account_id, id) n, count(*) over () c FROM posts WHERE account_id = ${acct}) x WHERE n % ${rows} = 0 or n = c`
      : [];
    let i = 0;
    const t = performance.now();
    if (what === 'cascade') await sql`DELETE FROM accounts WHERE id = ${acct}`;
    else if (what === 'single') await sql`DELETE FROM posts WHERE account_id = ${acct}`;
    else
      await Promise.all(
        Array.from({ length: conns }, async () => {
          while (i < b.length) {
            const n = i++;
            await sql`DELETE FROM posts WHERE account_id = ${acct} AND id > ${n ? b[n - 1].id : 0} AND id <= ${b[n].id}`;
          }
        }),
      );
    console.log(what, rows, conns, (performance.now() - t).toFixed(0));
    await sql.end();
  }
await admin.end();
