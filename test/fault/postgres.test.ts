import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../dev/postgres.ts';
import { connect } from '../../src/store/client.ts';
import { sanitize } from '../../src/store/sql-errors.ts';
import { Wire } from '../harness/wire.ts';
import { checksum, expectErased, rowsOf } from '../support/evidence.ts';
import { finishedChunks, stateOf } from '../support/progress.ts';
import { begin } from '../support/run-by-hand.ts';
import { subject } from '../support/subject.ts';
import { createTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

let server: PostgresServer;
let world: World;
let call: Call;

beforeAll(async () => {
  server = await startPostgres();
  await createTemplate(server);
  world = await createWorld({
    postgresUrl: server.url(),
    env: { LETHE_CHUNK_ROWS: '1000', LETHE_SLICE_TIME: '10ms' },
  });
  call = await world.api();
  await world.worker();
});
afterAll(async () => {
  await world.close();
  await server.destroy();
});

const state = (id: string) => stateOf(world.sql, id);
const finished = (id: string) => finishedChunks(world.sql, id);

describe('Postgres away', () => {
  it('answers 503 with Retry-After in under two seconds, and recovers by itself', async () => {
    const { account: victim, before } = await subject(world.sql, 20);
    await server.stop();
    for (const [method, path] of [
      ['POST', `/v1/accounts/${victim}/erasure`],
      ['GET', '/v1/erasures/01900000-0000-7000-8000-000000000000'],
      ['GET', '/readyz'],
    ] as const) {
      const asked = performance.now();
      const answer = await call(method, path, { auth: `Bearer ${KEYS.admin}` });
      expect(performance.now() - asked).toBeLessThan(4_000);
      expect(answer.status).toBe(503);
      if (path === '/readyz') expect(answer.body).toMatchObject({ status: 'unavailable', postgres: 'away' });
      else {
        expect(answer.body).toMatchObject({ code: 'database_unavailable', status: 503 });
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }
    }
    expect((await call('GET', '/healthz')).status).toBe(200);
    await server.start();
    const back = await until('the API has recovered', async () => {
      const answer = await call('POST', `/v1/accounts/${victim}/erasure`, { body: {} });
      return answer.status === 200 && answer;
    });
    await expectErased(world.sql, victim, String(back.body.id), before);
  }, 120_000);

  it('a server that refuses new sessions, as while it recovers, is an answer and not a wait', async () => {
    const database = new URL(world.url).pathname.slice(1);
    const admin = postgres(server.url(), { max: 1, onnotice: () => {} });
    const pool = connect(world.url, { max: 1, applicationName: 'refused' });
    try {
      // The session is lost in the middle of a statement: the driver must not file the next refusal under it.
      const asleep = pool.db.execute('SELECT pg_sleep(60)').then(
        () => 'awake',
        (error) => sanitize(error).message,
      );
      const pid = await until('it sleeps', async () => {
        const [row] = await admin`
          SELECT pid FROM pg_stat_activity WHERE application_name = 'refused' AND query LIKE '%pg_sleep%' AND state = 'active'`;
        return row?.pid as number | undefined;
      });
      await admin.unsafe(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
      await admin`SELECT pg_terminate_backend(${pid})`;
      expect(await asleep).toBe('database_unavailable: 57P01');
      const refused = await until('the next statement is refused', () =>
        pool.db.execute('SELECT 1').then(
          () => 'connected',
          (error) => sanitize(error).message,
        ),
      );
      expect(refused).toBe('database_error: SQLSTATE 55000');
    } finally {
      await admin.unsafe(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`);
    }
    expect(await pool.db.execute('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await pool.close();
    await admin.end();
  });

  it('a session that ends as soon as it is open fails what waits for it, and nothing else', async () => {
    const wire = await Wire.open(() => Number(new URL(server.url()).port));
    const pool = connect(world.url.replace(/:\d+\//, `:${wire.relay.port}/`), { max: 1, applicationName: 'short' });
    try {
      // Also what the driver asks for itself: a rejection that nobody hears ends the process.
      wire.at('statement', 1, async (stop) => stop.cut());
      const lost = await pool.db.execute('SELECT 1').then(
        () => 'answered',
        (error) => sanitize(error).code,
      );
      expect(lost).toBe('database_unavailable');
      expect(await pool.db.execute('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await pool.close();
      await wire.relay.close();
    }
  });

  it('a server that accepts connections and says nothing is answered for in under two seconds', async () => {
    const { account: victim } = await subject(world.sql, 20);
    // The postmaster still accepts; the sessions that serve us stand still.
    const backends = await world.sql`SELECT pid FROM pg_stat_activity WHERE application_name = 'lethe-api'`;
    for (const { pid } of backends) process.kill(pid, 'SIGSTOP');
    process.kill(server.pid(), 'SIGSTOP');
    try {
      const asked = performance.now();
      const answer = await call('POST', `/v1/accounts/${victim}/erasure`, { body: {} });
      expect(performance.now() - asked).toBeLessThan(4_000);
      expect(answer.status).toBe(503);
      expect(answer.body.code).toBe('database_unavailable');
    } finally {
      process.kill(server.pid(), 'SIGCONT');
      for (const { pid } of backends) process.kill(pid, 'SIGCONT');
    }
    await until(
      'the API has recovered',
      async () => (await call('POST', `/v1/accounts/${victim}/erasure`, { body: {} })).status === 200,
    );
    expect((await rowsOf(world.sql, victim)).posts).toBe(0);
  }, 120_000);

  it('jobs that met the outage go on within seconds, whatever their backoff', async () => {
    const s = await subject(world.sql, 1_000);
    const { ctx, producers } = await world.domain();
    // Started, and its job not yet in Redis: the younger the window, the longer reconcile leaves it alone.
    const erasureId = await begin(ctx, s.account);
    const [row] = await world.sql`
      UPDATE lethe.erasure SET dispatched_at = now() + interval '5 minutes' WHERE id = ${erasureId} RETURNING step, job_id`;
    await server.stop();
    const patient = { attempts: 2, backoff: { type: 'fixed', delay: 300_000 } };
    const job = await producers.queues.erasures.add(
      'erasure.advance',
      { erasureId, step: row?.step },
      { ...patient, jobId: row?.job_id },
    );
    // More attempts than it has.
    await until('it was tried without the database', async () => {
      const tried = await producers.queues.erasures.getJob(String(job.id));
      return (tried?.attemptsStarted ?? 0) >= 3 && (await tried?.getState()) === 'delayed';
    });
    await server.start();
    await until('the erasure is completed', async () => (await state(erasureId)) === 'completed', 30_000);
    await expectErased(world.sql, s.account, erasureId, s.before);
    expect(await checksum(world.sql, s.bystander)).toBe(s.sum);
  }, 120_000);

  it.each(['SIGINT', 'SIGQUIT'] as const)(
    'restarted with %s in the middle of an erasure: exact',
    async (signal) => {
      const { account: victim, bystander, before, sum } = await subject(world.sql, 40_000, 30);
      const { body } = await call('POST', `/v1/accounts/${victim}/erasure`, { body: { startNow: true } });
      const id = String(body.id);
      await until('chunks are finished', async () => (await finished(id)) >= 3);
      await server.stop(signal);
      await server.start();
      await until('the erasure is completed', async () => (await state(id)) === 'completed', 60_000);
      await expectErased(world.sql, victim, id, before);
      expect(await checksum(world.sql, bystander)).toBe(sum);
    },
    120_000,
  );
});
