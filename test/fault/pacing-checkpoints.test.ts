import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../dev/postgres.ts';
import { expectErased } from '../support/evidence.ts';
import { paceIn, untilRecovered, untilSlowed } from '../support/pace.ts';
import { stateOf } from '../support/progress.ts';
import { accepted, subject } from '../support/subject.ts';
import { createTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

let server: PostgresServer;
let world: World;
let call: Call;

beforeAll(async () => {
  server = await startPostgres({
    fsync: 'off',
    max_wal_size: '32MB',
    min_wal_size: '32MB',
    checkpoint_warning: '10s',
    autovacuum: 'off',
  });
  await createTemplate(server);
  world = await createWorld({ postgresUrl: server.url() });
  call = await world.api();
  await world.worker();
});
afterAll(async () => {
  await world?.close();
  await server?.destroy();
});

const value = async () => (await paceIn(world.sql))?.signals.find((s) => s.name === 'checkpoints')?.value;

it('checkpoints that somebody asks for, without much being written, are not pressure', async () => {
  await untilRecovered(world.sql);
  const end = performance.now() + 5_000;
  await until('several have been made', async () => {
    await world.sql`CHECKPOINT`;
    expect(await value()).toBe(0);
    return performance.now() > end;
  });
});

it('checkpoints that the log forces one after the other slow the cluster down, and it recovers when they end', async () => {
  const { account, before } = await subject(world.sql, 30_000, 3);
  await untilRecovered(world.sql, 90_000);
  const began = performance.now();
  const { id } = await accepted(call, account, { body: { startNow: true } });
  let writing = true;
  const writer = (async () => {
    await world.sql`CREATE TABLE scratch (text text)`;
    while (writing)
      await world.sql`INSERT INTO scratch SELECT repeat(md5(n::text), 20) FROM generate_series(1, 20000) n`;
  })();
  const slowed = await untilSlowed(world.sql, 4, /^checkpoints every \d+ s$/);
  const reacted = performance.now() - began;
  expect([slowed.step, slowed.slots]).toEqual([4, 1]);
  await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed', 90_000);
  // Above four it never goes, however fast they come.
  expect((await paceIn(world.sql))?.step).toBe(4);
  writing = false;
  await writer;
  const ended = performance.now();
  await untilRecovered(world.sql, 90_000);
  if (process.env.TEST_FIGURES) console.log('checkpoints', { reacted, recovered: performance.now() - ended });
  await expectErased(world.sql, account, id, before);
}, 240_000);
