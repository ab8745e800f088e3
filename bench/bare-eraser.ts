/** The least that any eraser by ranges can take beside the application: two connections, nothing to plan, prove or record. */
import postgres, { type ReservedSql } from 'postgres';
import type { PostgresServer } from '../src/dev/postgres.ts';
import { CONTENDERS, type Contender } from './contenders.ts';
import { boundsOf, POSTS } from './floors.ts';
import { measure, type Run } from './measure.ts';
import { victim } from './plan.ts';
import { median } from './statistics.ts';

const CONNECTIONS = 2;
const FEEDS = 15;
const REPEATS = 5;

/** Gives each connection in turn the next item until none is left. */
async function shareOut<T>(
  connections: readonly ReservedSql[],
  items: readonly T[],
  work: (sql: ReservedSql, item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    connections.map(async (sql) => {
      for (let n = next++; n < items.length; n = next++) await work(sql, items[n] as T);
    }),
  );
}

/** `commit` is PostgreSQL's `synchronous_commit` for the slices. The ranges are known before the clock starts. */
const bareEraser = (commit: 'on' | 'off'): Contender => ({
  name: `bare-${commit}`,
  what: `two bare connections, synchronous_commit ${commit}`,
  scope: 'account',
  prepare: async ({ sql, url, account }) => {
    const pool = postgres(url, { max: CONNECTIONS, prepare: false, onnotice: () => {} });
    const bounds = await boundsOf(sql, account);
    const ranges = bounds.slice(1).map((upper, n) => ({ lower: bounds[n] as string, upper }));
    const feeds = await sql<{ id: string }[]>`SELECT id::text FROM feeds WHERE account_id = ${account} ORDER BY id`;
    const batches = Array.from({ length: Math.ceil(feeds.length / FEEDS) }, (_, n) =>
      feeds.slice(n * FEEDS, (n + 1) * FEEDS).map(({ id }) => id),
    );
    const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.reserve()));
    const setAll = (setting: string) => Promise.all(connections.map((own) => own.unsafe(`SET ${setting}`)));
    return {
      erase: async () => {
        const started = performance.now();
        await setAll('enable_indexscan = off');
        await setAll(`synchronous_commit = ${commit}`);
        await shareOut(
          connections,
          ranges,
          (own, { lower, upper }) =>
            own`DELETE FROM posts WHERE account_id = ${account} AND id > ${lower} AND id <= ${upper}`,
        );
        await sql`DELETE FROM posts WHERE account_id = ${account} AND id <= ${bounds[0] as string}`;
        const postsSeconds = (performance.now() - started) / 1000;
        await setAll('enable_indexscan = on');
        await setAll('enable_seqscan = off');
        await setAll('enable_bitmapscan = off');
        await shareOut(connections, batches, (own, ids) => own`DELETE FROM feeds WHERE id = ANY(${ids}::bigint[])`);
        await sql`DELETE FROM accounts WHERE id = ${account}`;
        return { postsSeconds };
      },
      stop: async () => {
        for (const own of connections) own.release();
        await pool.end();
      },
    };
  },
});

/** Prints medians of interleaved repeats beside the application's traffic, as ratios to what the bars compare with. */
export async function measureBareErasers(server: PostgresServer): Promise<void> {
  const compared = CONTENDERS.filter(({ name }) => name === 'cascade' || name === 'single');
  const contenders = [...compared, bareEraser('on'), bareEraser('off')];
  const runs = new Map<string, Run[]>(contenders.map(({ name }) => [name, []]));
  for (let repeat = 0; repeat < REPEATS; repeat++)
    for (const contender of contenders)
      runs.get(contender.name)?.push(await measure(server, 'base', victim(POSTS), contender));
  const medianOf = (name: string, of: (run: Run) => number) => median((runs.get(name) ?? []).map(of));
  const whole = medianOf('cascade', (run) => run.seconds);
  const posts = medianOf('single', (run) => run.seconds);
  console.log(
    `\nbeside the application: cascade ${whole.toFixed(2)} s; all posts in one statement ${posts.toFixed(2)} s`,
  );
  for (const { name, what } of contenders.slice(compared.length)) {
    const all = medianOf(name, (run) => run.seconds);
    const stage = medianOf(name, (run) => run.own.postsSeconds ?? Number.NaN);
    console.log(
      `${what}: whole ${all.toFixed(2)} s, ${(all / whole).toFixed(2)} x the cascade; posts ${stage.toFixed(2)} s, ${(stage / posts).toFixed(2)} x the statement`,
    );
  }
}
