/** What bare connections need for the same rows: no eraser can be faster than they are. */
import postgres, { type Sql } from 'postgres';
import type { PostgresServer } from '../dev/postgres.ts';
import { eraseBare } from './bare.ts';
import { accountsLike, copyDatabase, createTemplate } from './database.ts';
import { eraseWithEvidence } from './least-request.ts';
import { crowdAccounts, planOf, victim } from './plan.ts';

export const POSTS = 1_000_000;
const SLICE = 10_000;
const CROWD = 300;

/** Runs `work` on connections to a fresh copy of the main template. */
export async function onCopy<T>(
  server: PostgresServer,
  max: number,
  work: (sql: Sql, account: string) => Promise<T>,
): Promise<T> {
  const sql = postgres(await copyDatabase(server, 'base', 'run'), { max, prepare: false, onnotice: () => {} });
  try {
    const [account] = (await accountsLike(sql, `${victim(POSTS)}@`)) as [string];
    return await work(sql, account);
  } finally {
    await sql.end();
  }
}

/** Keys at which the victim's posts are cut into slices: those of the first row, of each last of a slice, and of the last. */
export const boundsOf = async (sql: Sql, account: string): Promise<string[]> =>
  (
    await sql<{ id: string }[]>`
      SELECT id::text FROM (SELECT id, row_number() OVER (ORDER BY account_id, id) AS n, count(*) OVER () AS all
                              FROM posts WHERE account_id = ${account}) AS numbered
       WHERE n % ${SLICE} = 0 OR n = numbered.all OR n = 1 ORDER BY n`
  ).map((row) => row.id);

/** What bare connections need, interleaved: no eraser that deletes in ranges can be faster than they are. */
export async function measureFloors(server: PostgresServer): Promise<void> {
  const seconds = async (work: () => Promise<unknown>) => {
    const started = performance.now();
    await work();
    return `${((performance.now() - started) / 1000).toFixed(2)} s`;
  };
  const one = (statement: (account: string) => string) =>
    onCopy(server, 1, (sql, account) => seconds(() => sql.unsafe(statement(account))));
  const slices = (connections: number) =>
    onCopy(server, connections, async (sql, account) => {
      const bounds = await boundsOf(sql, account);
      return seconds(() => deleteSlices(sql, account, bounds, connections));
    });
  const looks = () =>
    onCopy(server, 2, async (sql, account) => {
      await deleteSlices(sql, account, await boundsOf(sql, account), 2);
      return seconds(() => sql`DELETE FROM accounts WHERE id = ${account}`);
    });
  console.log(
    [
      `\ncascade ${await one((account) => `DELETE FROM accounts WHERE id = ${account}`)}`,
      `all posts in one statement ${await one((account) => `DELETE FROM posts WHERE account_id = ${account}`)}`,
      `in slices of ${SLICE.toLocaleString('en-US')}: one connection ${await slices(1)}, two ${await slices(2)}`,
      `the cascade of what is left after them ${await looks()}`,
    ].join('; '),
  );
}

async function deleteSlices(sql: Sql, account: string, bounds: string[], connections: number): Promise<void> {
  let next = 1;
  const deleting = async () => {
    const own = await sql.reserve();
    await own`SET enable_indexscan = off`;
    for (let n = next++; n < bounds.length; n = next++)
      await own`DELETE FROM posts WHERE account_id = ${account} AND id > ${bounds[n - 1] as string} AND id <= ${bounds[n] as string}`;
    await own`RESET enable_indexscan`;
    own.release();
  };
  await Promise.all(Array.from({ length: connections }, deleting));
}

/** The template `crowd`. */
export const createCrowd = (server: PostgresServer): Promise<void> =>
  createTemplate(server, 'crowd', crowdAccounts({ ...planOf({ quick: false, large: false }), crowd: CROWD }));

/**
 * Accounts of 2,000 posts, whose rows lie each on a page of its own, by two bare connections. Deleted only, and with
 * what an erasure records.
 */
export async function measureCrowdFloor(server: PostgresServer): Promise<void> {
  const rate = async (erase: (sql: Sql, account: string) => Promise<unknown>) => {
    const sql = postgres(await copyDatabase(server, 'crowd', 'run'), { max: 2, onnotice: () => {} });
    try {
      const accounts = await accountsLike(sql, 'crowd-');
      let next = 0;
      const erasing = async () => {
        for (let n = next++; n < accounts.length; n = next++) await erase(sql, accounts[n] as string);
      };
      const started = performance.now();
      await Promise.all([erasing(), erasing()]);
      return Math.round((CROWD * 2_015) / ((performance.now() - started) / 1000)).toLocaleString('en-US');
    } finally {
      await sql.end();
    }
  };
  const bare = await rate(eraseBare);
  const recorded = await rate((sql, account) => sql.begin((tx) => eraseWithEvidence(tx, account)));
  console.log(
    `\n${CROWD} accounts of 2,000 posts by two bare connections: ${bare} rows/s; with evidence ${recorded} rows/s`,
  );
}
