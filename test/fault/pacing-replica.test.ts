import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PostgresServer, startPostgres, startStandby } from '../../dev/postgres.ts';
import { readPressure } from '../../src/pace/pressure.ts';
import { connect } from '../../src/store/client.ts';
import { checksum, expectErased } from '../support/evidence.ts';
import { paceIn, sliceRows, untilRecovered, untilSlowed } from '../support/pace.ts';
import { stateOf } from '../support/progress.ts';
import { accepted, subject } from '../support/subject.ts';
import { createTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

const SETTINGS = { fsync: 'off', max_connections: '60' };

let primary: PostgresServer;
let standby: PostgresServer;
let replica: Sql;
let world: World;
let call: Call;
let metricsPort: number | undefined;

beforeAll(async () => {
  primary = await startPostgres(SETTINGS);
  await createTemplate(primary);
  standby = await startStandby(primary, SETTINGS);
  replica = postgres(standby.url(), { max: 1, onnotice: () => {} });
  world = await createWorld({
    postgresUrl: primary.url(),
    // Gentle: at full speed the erasure would be over before anything can be seen.
    env: { LETHE_MAX_REPLICA_LAG: '1s', LETHE_GLOBAL_CONCURRENCY: '4', LETHE_PACE: 'gentle' },
  });
  call = await world.api();
  ({ metricsPort } = await world.worker({ LETHE_CONCURRENCY: '4', LETHE_METRICS_PORT: '0' }));
});
afterAll(async () => {
  await replica?.end({ timeout: 1 });
  await world?.close();
  await standby?.destroy();
  await primary?.destroy();
});

const paused = async () => {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return { seconds: Number(/^lethe_paused_seconds_total (\S+)$/m.exec(text)?.[1] ?? 0), text };
};
const median = (rows: number[]) => [...rows].sort((a, b) => a - b)[Math.floor(rows.length / 2)] ?? 0;

it('a standby that replays nothing slows the cluster to a trickle; when it goes on, so does the erasure, to its exact end', async () => {
  const { account, bystander, before, sum } = await subject(world.sql, 200_000, 30);
  // Also from what filling the tables did to the standby.
  await untilRecovered(world.sql);
  const { id } = await accepted(call, account, { body: { startNow: true } });
  const fast = await sliceRows(world.sql, id, 3);
  await replica`SELECT pg_wal_replay_pause()`;
  const began = performance.now();
  await untilSlowed(world.sql, 1, /^replica \d+ s behind$/);
  const reacted = performance.now() - began;
  const worst = await untilSlowed(world.sql, 6, /^replica \d+ s behind$/);
  const trickling = performance.now() - began;
  expect(worst.slots).toBe(1);
  expect(worst.signals.find((s) => s.name === 'replica')?.value).toBeGreaterThanOrEqual(1);
  // The first may have begun before.
  const [, ...slow] = await sliceRows(world.sql, id, 3);
  expect(Math.max(...slow)).toBeLessThanOrEqual(125);
  expect(median(slow)).toBeLessThan(median(fast));
  await until('a pause is counted', async () => (await paused()).seconds > 4);
  await until('the gauges say it', async () => {
    const { text } = await paused();
    return /^lethe_pace_step 6$/m.test(text) && /^lethe_pressure_ratio\{signal="replica"\} \d/m.test(text);
  });
  expect(await stateOf(world.sql, id)).toBe('running');
  await replica`SELECT pg_wal_replay_resume()`;
  const resumed = performance.now();
  await untilRecovered(world.sql);
  const recovered = performance.now() - resumed;
  await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed', 90_000);
  await expectErased(world.sql, account, id, before);
  expect(await checksum(world.sql, bystander)).toBe(sum);
  if (process.env.TEST_FIGURES)
    console.log({
      reacted,
      trickling,
      recovered,
      fast: median(fast),
      slow: median(slow),
      steps: await paceIn(world.sql),
    });
}, 180_000);

it('a standby that applies late on purpose is as far behind as it is', async () => {
  await replica`ALTER SYSTEM SET recovery_min_apply_delay = '4s'`;
  await replica`SELECT pg_reload_conf()`;
  const { account, before } = await subject(world.sql, 60_000, 5);
  const { id } = await accepted(call, account, { body: { startNow: true } });
  const slowed = await untilSlowed(world.sql, 1, /^replica \d s behind$/);
  expect(slowed.signals.find((s) => s.name === 'replica')?.value).toBeLessThan(10);
  await replica`ALTER SYSTEM RESET recovery_min_apply_delay`;
  await replica`SELECT pg_reload_conf()`;
  await untilRecovered(world.sql);
  await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed', 90_000);
  await expectErased(world.sql, account, id, before);
}, 180_000);

it('is unknown to a role that may not see standbys', async () => {
  const name = `blind_${process.pid}`;
  const { ctx } = await world.domain();
  await world.sql.unsafe(`CREATE ROLE ${name} LOGIN PASSWORD 'blind'`);
  const url = new URL(world.url);
  [url.username, url.password] = [name, 'blind'];
  const blind = connect(url.href, { max: 1, applicationName: 'blind' });
  expect((await readPressure(blind.db, ctx.catalog)).replicas).toBeNull();
  await world.sql.unsafe(`GRANT pg_monitor TO ${name}`);
  expect((await readPressure(blind.db, ctx.catalog)).replicas).toHaveLength(1);
  await blind.close();
  await world.sql.unsafe(`DROP ROLE ${name}`);
});

it('a standby that has caught up is not behind, although nothing is written any more', async () => {
  const lag = async () => (await paceIn(world.sql))?.signals.find((s) => s.name === 'replica')?.value;
  const end = performance.now() + 6_000;
  await until('some seconds have passed', async () => {
    expect(await lag()).toBeLessThan(0.7);
    return performance.now() > end;
  });
});
