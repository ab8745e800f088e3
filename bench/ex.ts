import { readFileSync } from 'node:fs';
import postgres from 'postgres';

const base = readFileSync('/tmp/x/url', 'utf8');
const admin = postgres(base.replace('/X', '/postgres'), { max: 1, onnotice: () => {} });
await admin.unsafe('DROP DATABASE IF EXISTS fl WITH (FORCE)');
await admin.unsafe('CREATE DATABASE fl TEMPLATE base STRATEGY FILE_COPY');
const sql = postgres(base.replace('/X', '/fl'), { max: 1, onnotice: () => {}, prepare: false });
const [{ id: acct }] = (await sql`SELECT id FROM accounts WHERE email like 'victim%'`) as any;
const b: any[] =
  await sql`SELECT id FROM (SELECT id, row_number() OVER (ORDER BY account_id, id) n, count(*) over () c FROM posts WHERE account_id = ${acct}) x WHERE n % 10000 = 0 or n = c`;
console.log(
  (await sql`EXPLAIN DELETE FROM posts WHERE account_id = ${acct}`).map((r: any) => r['QUERY PLAN']).join('\n'),
);
for (let n = 1; n < 4; n++)
  console.log(
    (
      await sql`EXPLAIN (ANALYZE, BUFFERS, WAL) DELETE FROM posts WHERE account_id = ${acct} AND id > ${b[n - 1].id} AND id <= ${b[n].id}`
    )
      .map((r: any) => r['QUERY PLAN'])
      .join('\n'),
  );
console.log(
  (await sql`EXPLAIN (ANALYZE, BUFFERS, WAL) DELETE FROM posts WHERE account_id = ${acct}`)
    .map((r: any) => r['QUERY PLAN'])
    .join('\n'),
);
await sql.end();
await admin.end();
