import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checksum, expectErased } from '../support/evidence.ts';
import { deletedRows, stateOf } from '../support/progress.ts';
import { subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

/** Small chunks and slices, so that there are many moments to die in. */
const SMALL = { LETHE_CHUNK_ROWS: '2000', LETHE_SLICE_TIME: '10ms', LETHE_GLOBAL_CONCURRENCY: '4' };

let world: World;
let call: Call;

beforeAll(async () => {
  world = await createWorld({ env: SMALL });
  call = await world.api();
});
afterAll(() => world.close());

const deleted = (id: string) => deletedRows(world.sql, id);
const state = (id: string) => stateOf(world.sql, id);

async function begin(posts: number) {
  const { account: victim, bystander, before, sum } = await subject(world.sql, posts, 50);
  const { body } = await call('POST', `/v1/accounts/${victim}/erasure`, { body: { startNow: true } });
  const finish = async () => {
    await until('the erasure is completed', async () => (await state(String(body.id))) === 'completed', 60_000);
    await expectErased(world.sql, victim, String(body.id), before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  };
  return { id: String(body.id), finish };
}

describe('workers that die', () => {
  it('kill -9 in the middle of chunks loses nothing and counts nothing twice', async () => {
    const { id, finish } = await begin(80_000);
    let seen = 0;
    let kills = 0;
    for (let round = 0; round < 3; round++) {
      const worker = world.spawn(['worker']);
      // The dead worker's jobs take up the cluster's slots until their locks end and somebody finds them stalled.
      await until('slices were committed', async () => (await deleted(id)) > seen, 60_000);
      worker.child.kill('SIGKILL');
      await worker.exited;
      seen = await deleted(id);
      kills += seen < 80_000 ? 1 : 0;
    }
    expect(kills).toBe(3);
    const last = await world.worker();
    await finish();
    const told = await world.sql`SELECT data FROM lethe.event WHERE erasure_id = ${id} AND type = 'task.interrupted'`;
    expect(told.map(({ data }) => data.location)).toContain('posts');
    await last.stop();
  }, 240_000);

  it('SIGTERM hands chunks back within the deadline, and another worker goes on at once', async () => {
    const { id, finish } = await begin(60_000);
    const worker = world.spawn(['worker'], { LETHE_RECONCILE_INTERVAL: '60s' });
    await until('slices were committed', async () => (await deleted(id)) > 0, 60_000);
    const asked = Date.now();
    worker.child.kill('SIGTERM');
    expect(await worker.exited).toBe(0);
    expect(Date.now() - asked).toBeLessThan(5_000);
    expect(worker.output()).toContain('"clean":true');
    expect(await state(id)).toBe('running');
    const next = await world.worker({ LETHE_RECONCILE_INTERVAL: '60s' });
    await finish();
    await next.stop();
  }, 180_000);

  it('four workers at once share one erasure', async () => {
    const { finish } = await begin(60_000);
    await Promise.all([world.worker(), world.worker(), world.worker(), world.worker()]);
    await finish();
  }, 180_000);
});
