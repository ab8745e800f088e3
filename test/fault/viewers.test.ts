import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../dev/postgres.ts';
import type { ViewerLimits } from '../../src/http/live/viewers.ts';
import { startApi } from '../../src/main.ts';
import { type Follower, follow } from '../support/follow.ts';
import { accepted, LARGE, subject } from '../support/subject.ts';
import { createTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

let server: PostgresServer;
let world: World;
let call: Call;
const running: Awaited<ReturnType<typeof startApi>>[] = [];
const followers: Follower[] = [];

beforeAll(async () => {
  server = await startPostgres({ shared_preload_libraries: 'pg_stat_statements' });
  await createTemplate(server);
  // What compares the catalog with the database at that interval must not be among the statements that are counted.
  world = await createWorld({ postgresUrl: server.url(), env: { LETHE_RECONCILE_INTERVAL: '60s' } });
  await world.sql`CREATE EXTENSION pg_stat_statements`;
  call = await world.api();
});
afterEach(async () => {
  for (const f of followers.splice(0)) f.leave();
  await Promise.all(running.splice(0).map((api) => api.stop()));
});
afterAll(async () => {
  await world.close();
  await server.destroy();
});

async function api(limits: Partial<ViewerLimits> = {}) {
  const started = await startApi(world.config('api'), limits);
  running.push(started);
  return { ...started, base: `http://127.0.0.1:${started.port}` };
}
const scheduled = async () => {
  const { account } = await subject(world.sql, LARGE);
  return (await accepted(call, account)).id;
};
const watch = async (base: string, id: string) => {
  const f = await follow(`${base}/v1/erasures/${id}/events`, { auth: `Bearer ${KEYS.read}` });
  followers.push(f);
  return f;
};
const mark = (id: string, text: string) =>
  world.sql`UPDATE lethe.task SET last_error = ${text} WHERE erasure_id = ${id} AND location = 'posts'`;
const sees = (f: Follower, text: string) => JSON.stringify(f.events.at(-1)?.data).includes(text);

/** Statements of the API since the counters were reset: those that read the erasure, and of them those that read its progress. */
async function statements(): Promise<{ erasure: number; progress: number; all: number }> {
  const [row] = await world.sql`
    SELECT coalesce(sum(calls) FILTER (WHERE query ILIKE '%from "lethe"."erasure"%'), 0)::int AS erasure,
           coalesce(sum(calls) FILTER (WHERE query ILIKE '%lethe.progress_of%'), 0)::int AS progress,
           coalesce(sum(calls), 0)::int AS all
      FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid
     WHERE d.datname = current_database() AND query NOT ILIKE '%pg_stat_statements%'`;
  return row as { erasure: number; progress: number; all: number };
}

describe('viewers of an erasure', () => {
  it('cost the database one look a second, a thousand as one', async () => {
    const { base, viewers } = await api();
    const id = await scheduled();
    const first = await watch(base, id);
    await until('the snapshot is there', () => first.events.length === 1);
    await world.sql`SELECT pg_stat_statements_reset()`;
    const begun = performance.now();
    for (let batch = 0; batch < 10; batch++) {
      await Promise.all(Array.from({ length: 100 }, () => watch(base, id)));
    }
    const seconds = () => (performance.now() - begun) / 1000;
    expect(viewers.counts()).toMatchObject({ viewers: 1001, watched: 1 });
    // Every one of them was let in by one look at its erasure; the progress was read for all together.
    const connecting = await statements();
    expect(connecting.erasure).toBeGreaterThanOrEqual(1000);
    expect(connecting.progress).toBeLessThanOrEqual(seconds() + 2);

    await world.sql`SELECT pg_stat_statements_reset()`;
    const watched = performance.now();
    await until('five seconds have passed', () => performance.now() - watched > 5_000);
    const quiet = await statements();
    expect(quiet.progress).toBeGreaterThanOrEqual(3);
    expect(quiet.progress).toBeLessThanOrEqual(6);
    expect(quiet.erasure).toBeLessThanOrEqual(6);
    expect(quiet.all).toBeLessThanOrEqual(12);

    await mark(id, 'seen by all');
    const changed = performance.now();
    await until('all see it', () => followers.every((f) => sees(f, 'seen by all')));
    expect(performance.now() - changed).toBeLessThan(5_000);
    expect(followers.every((f) => f.events.length === 2)).toBe(true);
  }, 180_000);

  it.each(['SIGINT', 'SIGQUIT'] as const)(
    'stay while Postgres is restarted with %s, and go on afterwards',
    async (signal) => {
      const { base } = await api({ roundMs: 100, heartbeatMs: 200, maxPauseMs: 1_000 });
      const id = await scheduled();
      const f = await watch(base, id);
      await until('the snapshot is there', () => f.events.length === 1);
      await server.stop(signal);
      const beats = f.comments.length;
      await until('heartbeats go on without a database', () => f.comments.length >= beats + 10);
      const refused = await watch(base, id);
      await until('the answer is there', () => refused.ended());
      expect([refused.status, JSON.parse(refused.text()).code]).toEqual([503, 'database_unavailable']);
      await server.start();
      await until('the database is back', () => mark(id, `after ${signal}`).then(() => true));
      await until('the change is seen', () => sees(f, `after ${signal}`));
      expect(f.ended()).toBeUndefined();
      expect(f.events.map((e) => e.event)).toEqual(['snapshot', 'progress']);
    },
    60_000,
  );

  it('go on over another connection when theirs says nothing any more', async () => {
    const { base, viewers } = await api({ roundMs: 100, heartbeatMs: 200, readMs: 500, maxPauseMs: 1_000 });
    const id = await scheduled();
    const f = await watch(base, id);
    await until('the snapshot is there', () => f.events.length === 1);
    const backends = await world.sql`SELECT pid FROM pg_stat_activity WHERE application_name = 'lethe-api'`;
    for (const { pid } of backends) process.kill(pid, 'SIGSTOP');
    try {
      const beats = f.comments.length;
      await until('heartbeats go on', () => f.comments.length >= beats + 5);
      await mark(id, 'in the silence');
      await until('the change is seen', () => sees(f, 'in the silence'));
    } finally {
      for (const { pid } of backends) process.kill(pid, 'SIGCONT');
    }
    expect(f.ended()).toBeUndefined();
    f.leave();
    await until('nothing is left', () => viewers.counts().watched === 0 && viewers.counts().reads === 0);
  }, 120_000);
});
