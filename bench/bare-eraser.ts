/** The least that any eraser by ranges can take beside the application: bare connections, nothing to plan, prove or record. */
import { setTimeout as pause } from 'node:timers/promises';
import postgres, { type ReservedSql } from 'postgres';
import type { PostgresServer } from '../dev/postgres.ts';
import { CONTENDERS, type Contender } from './contenders.ts';
import { boundsOf, POSTS } from './floors.ts';
import { measure, type Run } from './measure.ts';
import { victim } from './plan.ts';
import { latencyOf, median } from './statistics.ts';

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

type Way = {
  connections: number;
  /** PostgreSQL's `synchronous_commit` for the slices. */
  commit: 'on' | 'off';
  /** A pause after each statement, as a part of the time that it took. */
  rest: number;
};

/** The ranges are known before the clock starts. */
const bareEraser = (name: string, what: string, way: Way): Contender => ({
  name,
  what,
  scope: 'account',
  prepare: async ({ sql, url, account }) => {
    const pool = postgres(url, { max: way.connections, prepare: false, onnotice: () => {} });
    const bounds = await boundsOf(sql, account);
    bounds[0] = (BigInt(bounds[0] as string) - 1n).toString();
    const ranges = bounds.slice(1).map((upper, n) => ({ lower: bounds[n] as string, upper }));
    const feeds = await sql<{ id: string }[]>`SELECT id::text FROM feeds WHERE account_id = ${account} ORDER BY id`;
    const batches = Array.from({ length: Math.ceil(feeds.length / FEEDS) }, (_, n) =>
      feeds.slice(n * FEEDS, (n + 1) * FEEDS).map(({ id }) => id),
    );
    const connections = await Promise.all(Array.from({ length: way.connections }, () => pool.reserve()));
    const setAll = (setting: string) => Promise.all(connections.map((own) => own.unsafe(`SET ${setting}`)));
    const resting = async (work: () => Promise<unknown>) => {
      const started = performance.now();
      await work();
      if (way.rest > 0) await pause((performance.now() - started) * way.rest);
    };
    return {
      erase: async () => {
        const started = performance.now();
        await setAll('enable_indexscan = off');
        await setAll(`synchronous_commit = ${way.commit}`);
        await shareOut(connections, ranges, (own, { lower, upper }) =>
          resting(() => own`DELETE FROM posts WHERE account_id = ${account} AND id > ${lower} AND id <= ${upper}`),
        );
        const postsSeconds = (performance.now() - started) / 1000;
        await setAll('enable_indexscan = on');
        await setAll('enable_seqscan = off');
        await setAll('enable_bitmapscan = off');
        await shareOut(connections, batches, (own, ids) =>
          resting(() => own`DELETE FROM feeds WHERE id = ANY(${ids}::bigint[])`),
        );
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

const FAST: Way = { connections: 2, commit: 'on', rest: 0 };
const BARE: readonly Contender[] = [
  bareEraser('bare-2', 'two bare connections', FAST),
  bareEraser('bare-2-off', 'the same, synchronous_commit off', { ...FAST, commit: 'off' }),
  bareEraser('bare-1', 'one bare connection', { ...FAST, connections: 1 }),
  bareEraser('bare-1-rest', 'the same, a pause of a sixth after each slice', { ...FAST, connections: 1, rest: 1 / 6 }),
];

/** Prints medians of interleaved repeats beside the application's traffic, as ratios to what the bars compare with. */
export async function measureBareErasers(server: PostgresServer): Promise<void> {
  const compared = CONTENDERS.filter(({ name }) => name === 'cascade' || name === 'single');
  const contenders = [...compared, ...BARE];
  const runs = new Map<string, Run[]>(contenders.map(({ name }) => [name, []]));
  for (let repeat = 0; repeat < REPEATS; repeat++)
    for (const contender of contenders)
      runs.get(contender.name)?.push(await measure(server, 'base', victim(POSTS), contender));
  const medianOf = (name: string, of: (run: Run) => number) => median((runs.get(name) ?? []).map(of));
  const whole = medianOf('cascade', (run) => run.seconds);
  const posts = medianOf('single', (run) => run.seconds);
  const p99Of = (name: string) => medianOf(name, (run) => latencyOf(run.latencies).p99);
  const p99 = p99Of('cascade');
  console.log(
    `\nbeside the application: cascade ${whole.toFixed(2)} s, its p99 ${p99.toFixed(1)} ms; all posts in one statement ${posts.toFixed(2)} s`,
  );
  for (const { name, what } of BARE) {
    const all = medianOf(name, (run) => run.seconds);
    const stage = medianOf(name, (run) => run.own.postsSeconds ?? Number.NaN);
    console.log(
      [
        `${what}: whole ${all.toFixed(2)} s, ${(all / whole).toFixed(2)} x the cascade`,
        `posts ${stage.toFixed(2)} s, ${(stage / posts).toFixed(2)} x the statement`,
        `p99 ${p99Of(name).toFixed(1)} ms, ${(p99Of(name) / p99).toFixed(2)} x`,
      ].join('; '),
    );
  }
}
