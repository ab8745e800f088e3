import type { Job } from 'bullmq';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { measureBacklog } from '../../src/erasure/progress/measure.ts';
import { LetheError } from '../../src/errors.ts';
import { readReadiness } from '../../src/http/api/readiness.ts';
import { startExporting } from '../../src/jobs/export-gauges.ts';
import { handle } from '../../src/jobs/handlers.ts';
import type { Work } from '../../src/jobs/model/job.ts';
import { startReconciling } from '../../src/jobs/reconcile.ts';
import { openProducers } from '../../src/jobs/redis/connection.ts';
import { type Started, startApi, startWorker } from '../../src/main.ts';
import { createMetrics } from '../../src/metrics.ts';
import { connect } from '../../src/store/client.ts';
import { ledger, mails } from '../support/evidence.ts';
import { LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

const CLUSTER = 'lethe_erasures{';
const QUICK = { leaseMs: 1_500, tickMs: 100 };
const SLOW = { leaseMs: 15_000, tickMs: 100 };

let redis: RedisServer;
let world: World;
let api: Started;
let worker: Started;

beforeAll(async () => {
  redis = await startRedis();
  world = await createWorld({ redisUrl: redis.url, env: { LETHE_METRICS_PORT: '0', LETHE_CHUNK_ROWS: '300' } });
  api = await startApi(world.config('api'));
  worker = await startWorker(world.config('worker'));
});
afterAll(async () => {
  await Promise.all([api.stop(), worker.stop()]);
  await world.close();
  await redis.destroy();
});

const get = async (port: number | undefined, path: string) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  const text = await response.text();
  return { status: response.status, type: response.headers.get('content-type') ?? '', text };
};
const scrape = async (port: number | undefined) => {
  const { status, text } = await get(port, '/metrics');
  expect(status).toBe(200);
  return text;
};
const ready = async (port: number | undefined) => {
  const { status, text } = await get(port, '/readyz');
  return { ...(JSON.parse(text) as Record<string, string>), code: status };
};

/** The samples of one series: labels as written, and value. */
const samples = (text: string, name: string) =>
  [...text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))].map((m) => ({
    labels: Object.fromEntries([...(m[1] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map((l) => [l[1], l[2] as string])),
    value: Number(m[2]),
  }));
const value = (text: string, name: string, labels: Record<string, string> = {}) =>
  samples(text, name).find((s) => Object.entries(labels).every(([k, v]) => s.labels[k] === v))?.value;
const sumBy = (texts: string[], name: string, label: string) => {
  const sums: Record<string, number> = {};
  for (const s of texts.flatMap((text) => samples(text, name))) {
    const key = s.labels[label] as string;
    sums[key] = (sums[key] ?? 0) + s.value;
  }
  return sums;
};

const call = async (method: string, path: string, key = KEYS.admin) => {
  const response = await fetch(`http://127.0.0.1:${api.port}${path}`, {
    method,
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    ...(method === 'POST' ? { body: '{}' } : {}),
  });
  return (await response.json().catch(() => ({}))) as Record<string, unknown>;
};

describe('the counters', () => {
  it('equal the ledger after a small and a large erasure, wherever the rows were deleted', {
    timeout: 120_000,
  }, async () => {
    const small = await subject(world.sql, SMALL);
    const large = await subject(world.sql, LARGE);
    const first = await call('POST', `/v1/accounts/${small.account}/erasure`);
    const second = await call('POST', `/v1/accounts/${large.account}/erasure`);
    await call('POST', `/v1/erasures/${second.id}/start`);
    await until(
      'both are completed',
      async () => {
        const [row] = await world.sql`SELECT count(*)::int AS n FROM lethe.erasure WHERE state = 'completed'`;
        return row?.n === 2;
      },
      60_000,
    );
    await until('all mails are sent', async () => (await mails(world.outbox)).length === 3);
    const expected: Record<string, number> = {};
    for (const id of [first.id, second.id])
      for (const [table, n] of Object.entries(await ledger(world.sql, String(id))))
        expected[table] = (expected[table] ?? 0) + n;
    expect(expected).toEqual({ sessions: 4, posts: LARGE + SMALL, feeds: 6, accounts: 2 });
    const [chunks] = await world.sql`SELECT count(*)::int AS n FROM lethe.chunk WHERE pass > 0`;
    // A job is counted when its handler has returned, which is after its transaction.
    await until('the last job is counted', async () => (await sent()) === 3);
    // That of the step which made the last mail is counted after it has shown its progress.
    await until('the step is counted', async () => {
      const name = { name: 'erasure.advance', outcome: 'completed' };
      return value(await scrape(worker.metricsPort), 'lethe_jobs_total', name) === 1;
    });
    const texts = await Promise.all([api, worker].map((role) => scrape(role.metricsPort)));
    expect(sumBy(texts, 'lethe_rows_deleted_total', 'location')).toEqual(expected);
    const finished = sumBy(texts, 'lethe_chunks_finished_total', 'location');
    expect(Object.values(finished).reduce((a, b) => a + b, 0)).toBe(chunks?.n);
    expect(finished.posts).toBe(4);
    const [, text] = texts as [string, string];
    expect(value(text, 'lethe_jobs_total', { name: 'erasure.advance', outcome: 'completed' })).toBe(1);
    expect(value(text, 'lethe_jobs_total', { name: 'chunk.erase', outcome: 'finished' })).toBe(chunks?.n);
    expect(value(text, 'lethe_chunk_duration_seconds_count', { location: 'posts' })).toBe(4);
    expect(value(text, 'lethe_slice_duration_seconds_count', { location: 'posts' })).toBeGreaterThanOrEqual(4);
    const reconciled = await until('a round has ended', async () =>
      value(await scrape(worker.metricsPort), 'lethe_reconcile_last_round_timestamp_seconds'),
    );
    expect(Date.now() / 1000 - reconciled).toBeLessThan(30);
    expect(value(text, 'lethe_nodejs_eventloop_lag_seconds')).toBeGreaterThanOrEqual(0);
    expect(samples(texts[0] as string, 'lethe_reconcile_last_round_timestamp_seconds')).toEqual([]);
  });
  const sent = async () => value(await scrape(worker.metricsPort), 'lethe_mails_total', { outcome: 'sent' });

  it('have labels without ids, addresses and paths, also when the caller invents them', async () => {
    const { account, email } = await subject(world.sql, SMALL);
    const { id } = await call('POST', `/v1/accounts/${account}/erasure`);
    await call('GET', `/v1/erasures/${id}?token=v1.secret`);
    await call('GET', `/v1/nothing/${encodeURIComponent(email)}`);
    await call('PROPFIND', `/v1/accounts/${account}/erasure`);
    const text = await until('all is told', async () => {
      const now = (await Promise.all([api, worker].map((role) => scrape(role.metricsPort)))).join('');
      return now.includes('method="other"') && now;
    });
    expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-|@|token|secret/);
    const requests = samples(text, 'lethe_http_request_duration_seconds_count').map((s) => s.labels);
    expect(requests.length).toBeGreaterThanOrEqual(4);
    expect(requests).toContainEqual(expect.objectContaining({ method: 'POST', status: '200' }));
    expect(requests).toContainEqual({ method: 'other', route: '/*', status: '404' });
    for (const { route } of requests) expect(route).toMatch(/^(\/(v1|[a-z:*{}._-]*))+$/i);
    expect(Object.keys(sumBy([text], 'lethe_rows_deleted_total', 'location')).sort()).toEqual([
      'accounts',
      'feeds',
      'posts',
      'sessions',
    ]);
  });

  it('say so when an erasure stalls', async () => {
    const { account } = await subject(world.sql, LARGE);
    const { id } = await call('POST', `/v1/accounts/${account}/erasure`);
    await world.sql`CREATE TABLE notes (id bigint PRIMARY KEY, account_id bigint REFERENCES accounts (id))`;
    await world.sql`INSERT INTO notes VALUES (1, ${account})`;
    await call('POST', `/v1/erasures/${id}/start`);
    await until('it has stalled', async () => {
      const text = await scrape(worker.metricsPort);
      return value(text, 'lethe_jobs_total', { name: 'erasure.advance', outcome: 'stalled' }) === 1;
    });
    await world.sql`DROP TABLE notes`;
    await call('POST', `/v1/erasures/${id}/replay`);
    await until('it is completed', async () => (await call('GET', `/v1/erasures/${id}`)).state === 'completed');
  });
});

describe("the cluster's gauges", () => {
  it('are exported by exactly one of two replicas, and by the other soon after the first is killed', async () => {
    await Promise.all([api.stop(), worker.stop()]);
    const replicas = [world.spawn(['worker']), world.spawn(['worker'])];
    const ports = await Promise.all(
      replicas.map((r) => until('it listens', () => Number(/"metricsPort":(\d+)/.exec(r.output())?.[1]) || undefined)),
    );
    const exporting = async () =>
      (
        await Promise.all(
          ports.map((p) =>
            get(p, '/metrics').then(
              (a) => a.text,
              () => '',
            ),
          ),
        )
      ).map((t) => t.includes(CLUSTER));
    await until('one exports', async () => (await exporting()).includes(true));
    let most = 1;
    expect((await exporting()).filter(Boolean)).toHaveLength(1);
    // Until both have asked at least once more: the second must have been refused.
    const leaseEnd = async () => {
      const [row] = await world.sql`SELECT held_until FROM lethe.duty WHERE name = 'gauges'`;
      return new Date(row?.held_until ?? 0).getTime();
    };
    const seen = await leaseEnd();
    await until('the lease is renewed twice', async () => {
      const counts = (await exporting()).filter(Boolean).length;
      if (counts > 1) most = counts;
      return (await leaseEnd()) > seen + 8_000;
    });
    expect(most).toBe(1);
    const first = (await exporting()).indexOf(true);
    replicas[first]?.child.kill('SIGKILL');
    await replicas[first]?.exited;
    await until('the other exports', async () => (await exporting())[1 - first] === true, 30_000);
    replicas[1 - first]?.child.kill('SIGTERM');
    expect(await replicas[1 - first]?.exited).toBe(0);
    [api, worker] = await Promise.all([startApi(world.config('api')), startWorker(world.config('worker'))]);
    // Handed over at once where the holder stopped in order: sooner than its lease would have ended.
    await until(
      'somebody exports',
      async () => (await Promise.all([api, worker].map((r) => scrape(r.metricsPort)))).some((t) => t.includes(CLUSTER)),
      10_000,
    );
  }, 180_000);

  it('count what is live, held, overdue, due and swept, and the depths of the queues', async () => {
    const other = await createWorld();
    const { ctx, producers } = await other.domain();
    const metrics = createMetrics({ defaults: false });
    const insert = (state: string, more: Record<string, unknown> = {}) => other.sql`
      INSERT INTO lethe.erasure ${other.sql({
        id: crypto.randomUUID(),
        account_key: crypto.randomUUID(),
        state,
        mode: 'scheduled',
        starts_at: new Date(Date.now() + 3_600_000),
        due_at: new Date(Date.now() + 86_400_000),
        catalog_digest: 'd',
        ...more,
      })} RETURNING id`;
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1000);
    await insert('scheduled', { requested_at: ago(5000) });
    await insert('scheduled', { starts_at: ago(700) });
    await insert('scheduled', { starts_at: ago(9000), held_at: ago(800), held_by: 'cli' });
    const [late] = await insert('running', { due_at: ago(60) });
    await insert('running', { held_at: ago(300), held_by: 'cli' });
    await insert('stalled', { due_at: ago(60) });
    await insert('completed', { due_at: ago(60), requested_at: ago(90_000), held_at: ago(90_000) });
    for (const state of ['pending', 'done', 'failed'])
      await other.sql`INSERT INTO lethe.task (erasure_id, location, kind, action, owner, stage, state, due_at)
        VALUES (${late?.id}, ${state}, 'table', 'delete', 'o', 0, ${state}, ${ago(60)})`;
    await other.sql`INSERT INTO lethe.duty (name, done_at) VALUES ('sweep', to_timestamp(1700000000))`;
    await producers.queues.mail.add('mail.send', { notificationId: crypto.randomUUID() }, { delay: 100_000 });
    // Not before: a reading that is slow rests for long, and would show what was there in the middle.
    const exporter = startExporting({ ctx, producers, metrics }, QUICK);
    const text = await until('all is counted', async () => {
      const now = await metrics.text();
      return (
        value(now, 'lethe_tasks_overdue') === 2 &&
        value(now, 'lethe_queue_jobs', { queue: 'mail', state: 'delayed' }) === 1 &&
        now
      );
    });
    expect(sumBy([text], 'lethe_erasures', 'state')).toEqual({ scheduled: 3, running: 2, awaiting: 0, stalled: 1 });
    expect(sumBy([text], 'lethe_erasures_held', 'state')).toEqual({
      scheduled: 1,
      running: 1,
      awaiting: 0,
      stalled: 0,
    });
    expect(value(text, 'lethe_erasures_overdue')).toBe(2);
    expect(value(text, 'lethe_sweep_done_timestamp_seconds')).toBe(1_700_000_000);
    const near = (name: string, seconds: number) =>
      expect(Math.abs((value(text, name) ?? 0) - seconds), name).toBeLessThan(20);
    near('lethe_oldest_live_erasure_age_seconds', 5000);
    near('lethe_oldest_hold_age_seconds', 800);
    near('lethe_due_not_started_age_seconds', 700);
    await exporter.stop();
    expect(await metrics.text()).not.toContain(CLUSTER);
    const [row] = await other.sql`SELECT held_until <= now() AS free FROM lethe.duty WHERE name = 'gauges'`;
    expect(row?.free).toBe(true);
    await other.close();
  });

  it('are not asked for again and again, in one process after another, when that takes too long', async () => {
    const other = await createWorld();
    let failed = 0;
    const log = { debug: () => failed++ };
    const exporters = await Promise.all(
      [1, 2].map(async () => {
        const { ctx, producers } = await other.domain();
        const work = { ctx: { ...ctx, log: log as unknown as typeof ctx.log }, producers };
        return () => startExporting({ ...work, metrics: createMetrics({ defaults: false }) }, SLOW);
      }),
    );
    const running = await other.sql.begin(async (tx) => {
      await tx`LOCK TABLE lethe.erasure IN ACCESS EXCLUSIVE MODE`;
      const started = exporters.map((start) => start());
      await until('one has given up', () => failed > 0);
      const end = performance.now() + 3_000;
      await until('time for two more has passed', () => performance.now() > end);
      return started;
    });
    expect(failed).toBe(1);
    await Promise.all(running.map((exporter) => exporter.stop()));
    await other.close();
  });

  it('do not hold up the end of the process when the database says nothing', async () => {
    const other = await createWorld();
    const { ctx, producers } = await other.domain();
    const metrics = createMetrics({ defaults: false });
    const exporter = startExporting({ ctx, producers, metrics }, QUICK);
    await until('it exports', async () => (await metrics.text()).includes(CLUSTER));
    const backends = await other.sql`SELECT pid FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'domain'`;
    for (const { pid } of backends) process.kill(pid, 'SIGSTOP');
    try {
      let stopped = false;
      void exporter.stop().then(() => {
        stopped = true;
      });
      await until('it has stopped', () => stopped, 4_000);
    } finally {
      for (const { pid } of backends) process.kill(pid, 'SIGCONT');
    }
    await other.close();
  });

  it('tell how much of a deadline is used, but not of what waits for its start or is on hold', async () => {
    const other = await createWorld();
    const { ctx } = await other.domain();
    const add = (state: string, used: number, starts: string, held: string | null = null) =>
      other.sql`INSERT INTO lethe.erasure (id, account_key, state, mode, requested_at, starts_at, due_at, held_at, catalog_digest)
        VALUES (gen_random_uuid(), gen_random_uuid()::text, ${state}, 'scheduled', now() - ${used} * interval '100 hours',
                now() + ${starts}::interval, now() + ${1 - used} * interval '100 hours', ${held}::timestamptz, 'd')`;
    const used = async () => Math.round((await measureBacklog(ctx.db)).deadlineUsed * 1000);
    expect(await used()).toBe(0);
    await add('running', 0.25, '-1h');
    await add('awaiting', 0.4, '-1h');
    await add('completed', 0.99, '-1h');
    await add('running', 0.9, '-1h', '2026-01-01');
    await add('scheduled', 0.8, '1h');
    expect(await used()).toBe(400);
    await add('scheduled', 0.6, '-1s');
    expect(await used()).toBe(600);
    await other.close();
  });

  it('count overdue tasks in a bounded number of erasures of each state, those that began first', async () => {
    const other = await createWorld();
    const { ctx } = await other.domain();
    await other.sql`
      WITH e AS (
        INSERT INTO lethe.erasure (id, account_key, state, mode, starts_at, due_at, catalog_digest)
        SELECT gen_random_uuid(), state || n, state, 'immediate', now() - n * interval '1 minute', now() - interval '1 day', 'd'
          FROM generate_series(1, 20) n, unnest(ARRAY['running', 'awaiting']) state
        RETURNING id, starts_at)
      INSERT INTO lethe.task (erasure_id, location, kind, action, owner, stage, state, due_at)
      SELECT id, location, 'table', 'delete', 'o', 0, 'pending',
             CASE WHEN starts_at < now() - interval '19 minutes 30 seconds' THEN now() + interval '1 day' ELSE now() END
        FROM e, unnest(ARRAY['posts', 'feeds']) location`;
    expect(await measureBacklog(ctx.db)).toMatchObject({ overdueErasures: 40, overdueTasks: 76 });
    expect(await measureBacklog(ctx.db, 5)).toMatchObject({
      overdueErasures: 40,
      overdueTasks: 16,
      states: { running: 20, awaiting: 20 },
    });
    await other.close();
  });

  it('never walk the finished erasures', async () => {
    const other = await createWorld();
    const { ctx } = await other.domain();
    await other.sql`INSERT INTO lethe.erasure (id, account_key, state, mode, starts_at, due_at, completed_at, catalog_digest)
      SELECT gen_random_uuid(), n, CASE WHEN n % 1000 = 0 THEN 'scheduled' ELSE 'completed' END, 'scheduled', now(),
             now() - interval '1 day', now(), 'd' FROM generate_series(1, 20000) n`;
    await other.sql`INSERT INTO lethe.task (erasure_id, location, kind, action, owner, stage, state, due_at)
      SELECT id, 'posts', 'table', 'delete', 'o', 0, CASE state WHEN 'completed' THEN 'done' ELSE 'pending' END, due_at
        FROM lethe.erasure`;
    await other.sql`ANALYZE lethe.erasure, lethe.task`;
    const scans = async () => {
      await other.sql`SELECT pg_stat_force_next_flush()`;
      const rows =
        await other.sql`SELECT seq_scan::int AS seq, idx_scan::int AS idx, idx_tup_fetch::int AS rows FROM pg_stat_user_tables
        WHERE schemaname = 'lethe' AND relname IN ('erasure', 'task') ORDER BY relname`;
      return rows as unknown as { seq: number; idx: number; rows: number }[];
    };
    const seen = async () => ((await scans()).every((s) => s.idx > 0) ? await scans() : undefined);
    expect(await measureBacklog(ctx.db)).toMatchObject({ overdueErasures: 20, overdueTasks: 20 });
    const before = await until('scans are counted', async () => (await measureBacklog(ctx.db)) && (await seen()));
    const after = await until('more scans are counted', async () => {
      await measureBacklog(ctx.db);
      const now = await scans();
      return now.every((s, i) => s.idx > (before[i]?.idx ?? 0)) && now;
    });
    expect(after.map((s) => s.seq)).toEqual(before.map((s) => s.seq));
    // A scan of an index fetches what is live: 20 of 20,000.
    for (const [i, s] of after.entries()) {
      const [was, scans] = [before[i] as typeof s, s.idx - (before[i]?.idx ?? 0)];
      expect((s.rows - was.rows) / scans).toBeLessThan(50);
    }
    await other.close();
  });
});

it('a job that is tried again is logged with its erasure and counted', async () => {
  const { ctx } = await world.domain();
  const [row] =
    await world.sql`INSERT INTO lethe.erasure (id, account_key, state, mode, starts_at, due_at, catalog_digest, sign_out_at)
    VALUES (gen_random_uuid(), '4711000', 'completed', 'scheduled', now(), now(), 'd', now()) RETURNING id`;
  const lines: unknown[] = [];
  const log = { ...ctx.log, info: (...line: unknown[]) => lines.push(line) } as unknown as typeof ctx.log;
  const metrics = createMetrics({ defaults: false });
  const revoke = () => Promise.reject(new LetheError('sign_out_deferred', 'the application answered 500'));
  const job = { name: 'account.sign-out', id: 'j', attemptsMade: 0, data: { erasureId: row?.id } } as unknown as Job;
  const work = { ctx: { ...ctx, log }, revoke, metrics } as unknown as Work;
  await expect(handle(work, job, new AbortController().signal)).rejects.toThrow('the application answered 500');
  expect(lines).toEqual([
    [expect.objectContaining({ erasureId: row?.id, code: 'sign_out_deferred' }), 'job will be tried again'],
  ]);
  const of = { name: 'account.sign-out', outcome: 'retried' };
  expect(value(await metrics.text(), 'lethe_jobs_total', of)).toBe(1);
});

it('a reconcile that fails says whether it was Redis or Postgres', async () => {
  const { ctx, producers } = await world.domain();
  await until('Redis is there', () => producers.redis.status === 'ready');
  const lines: unknown[] = [];
  const log = { ...ctx.log, warn: (...line: unknown[]) => lines.push(line) } as unknown as typeof ctx.log;
  const put = async () => true;
  const failing = async (work: { ctx: typeof ctx; producers: typeof producers }) => {
    lines.length = 0;
    const reconciling = startReconciling({ ...work, put }, { intervalMs: 50 });
    await until('it has failed', () => lines.length > 0);
    reconciling.stop();
    return lines[0];
  };
  // The driver's own error, as a server that is away causes it.
  const away = connect('postgres://127.0.0.1:1/none', { max: 1, applicationName: 'away' });
  expect(await failing({ ctx: { ...ctx, log, db: away.db }, producers })).toEqual([
    expect.objectContaining({ code: 'database_unavailable' }),
    'reconcile will try again',
  ]);
  await away.close();
  const lost = openProducers({ url: 'redis://127.0.0.1:1', prefix: '{none}' }, {
    ...log,
    warn: () => {},
  } as typeof log);
  expect(await failing({ ctx: { ...ctx, log }, producers: lost })).toEqual([
    { code: 'redis' },
    'reconcile will try again',
  ]);
  await lost.close();
});

describe('when something is away', () => {
  it('without Redis /metrics answers, without the depths; a worker is not ready, an API is degraded', async () => {
    expect(await ready(worker.metricsPort)).toEqual({
      status: 'ok',
      postgres: 'ok',
      migrations: 'ok',
      redis: 'ok',
      catalog: 'ok',
      queues: 'ok',
      code: 200,
    });
    await redis.stop('SIGKILL');
    expect(
      await until('the worker notices', async () => {
        const now = await ready(worker.metricsPort);
        return now.code === 503 && now;
      }),
    ).toMatchObject({ status: 'unavailable', redis: 'away', postgres: 'ok' });
    expect(await ready(api.metricsPort)).toMatchObject({ status: 'degraded', redis: 'away', code: 200 });
    const text = await until('the depths are gone', async () => {
      const texts = await Promise.all([api, worker].map((r) => scrape(r.metricsPort)));
      const holder = texts.find((t) => t.includes(CLUSTER));
      return holder && samples(holder, 'lethe_queue_jobs').length === 0 && holder;
    });
    expect(value(text, 'lethe_erasures', { state: 'running' })).toBe(0);
    expect((await get(worker.metricsPort, '/healthz')).status).toBe(200);
    await redis.start();
    await until('the worker is ready again', async () => (await ready(worker.metricsPort)).code === 200);
  }, 120_000);

  it('without Postgres /metrics answers with what the process knows, and nobody exports the gauges', async () => {
    const admin = postgres(world.url.replace(/\/[^/]*$/, '/postgres'), { max: 1 });
    const name = world.url.split('/').at(-1) as string;
    await until('somebody exports', async () =>
      (await Promise.all([api, worker].map((r) => scrape(r.metricsPort)))).some((t) => t.includes(CLUSTER)),
    );
    await admin`ALTER DATABASE ${admin(name)} ALLOW_CONNECTIONS false`;
    await admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name}`;
    for (const role of [api, worker]) {
      const text = await until('no gauges', async () => {
        const now = await scrape(role.metricsPort);
        return !now.includes(CLUSTER) && now;
      });
      expect(text).toContain('lethe_process_cpu_seconds_total');
      expect(await ready(role.metricsPort)).toMatchObject({ status: 'unavailable', postgres: 'away', code: 503 });
      expect((await get(role.metricsPort, '/healthz')).status).toBe(200);
    }
    await admin`ALTER DATABASE ${admin(name)} ALLOW_CONNECTIONS true`;
    await admin.end();
    await until(
      'somebody exports again',
      async () => (await Promise.all([api, worker].map((r) => scrape(r.metricsPort)))).some((t) => t.includes(CLUSTER)),
      30_000,
    );
    await until('both are ready', async () =>
      (await Promise.all([api, worker].map((r) => ready(r.metricsPort)))).every((r) => r.code === 200),
    );
  }, 120_000);

  it('a worker that consumes nothing, or lacks a migration, is not ready', async () => {
    const { ctx, producers } = await world.domain();
    const metrics = createMetrics({ defaults: false });
    await until('Redis is there', async () => (await producers.redis.ping()) === 'PONG');
    const inside = { ctx, producers, metrics };
    expect(await readReadiness(inside)).toMatchObject({ status: 'ok' });
    expect(await readReadiness({ ...inside, working: () => false })).toMatchObject({
      status: 'unavailable',
      queues: 'not consumed',
    });
    const [last] = await world.sql`DELETE FROM lethe_migrations.__drizzle_migrations
      WHERE id = (SELECT max(id) FROM lethe_migrations.__drizzle_migrations) RETURNING *`;
    expect(await readReadiness(inside)).toMatchObject({ status: 'unavailable', migrations: 'pending' });
    await world.sql`INSERT INTO lethe_migrations.__drizzle_migrations ${world.sql(last ?? {})}`;
  });

  it('says that the migrations are unknown while Postgres does not tell', async () => {
    const states = await world.sql.begin(async (tx) => {
      await tx`LOCK TABLE lethe_migrations.__drizzle_migrations IN ACCESS EXCLUSIVE MODE`;
      // What was seen a moment ago is told once more.
      const unknown = (port: number | undefined) =>
        until('it looks again', async () => {
          const state: Record<string, unknown> = await ready(port);
          return state.migrations === 'unknown' && state;
        });
      return Promise.all([api.port, api.metricsPort, worker.metricsPort].map(unknown));
    });
    for (const state of states) expect(state).toMatchObject({ status: 'unavailable', postgres: 'ok', code: 503 });
  });

  it('a port that is taken ends the start with an error', async () => {
    const taken = world.config('worker', { LETHE_METRICS_PORT: String(worker.metricsPort) });
    await expect(startWorker(taken)).rejects.toThrow('EADDRINUSE');
  });
});
