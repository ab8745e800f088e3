import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cancelErasure } from '../../src/erasure/accept/cancel.ts';
import { type Erasure, findErasure } from '../../src/erasure/model/states.ts';
import { createSharedLook } from '../../src/http/live/shared-look.ts';
import type { Resources } from '../../src/resources.ts';
import { request } from '../support/run-by-hand.ts';
import { subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());

/** Runs `work` while every read of the progress stands still, after it has chosen what it sees. */
async function whileReadsStand<T>(work: (waiting: () => Promise<number>) => Promise<T>): Promise<T> {
  const blocker = postgres(world.url, { max: 1, onnotice: () => {} });
  const waiting = async () => {
    const [row] = await world.sql<{ n: number }[]>`
      SELECT count(*)::int AS n FROM pg_locks
       WHERE relation = 'lethe.throughput'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND NOT granted`;
    return row?.n ?? 0;
  };
  const released = await blocker.begin(async (tx) => {
    await tx`LOCK TABLE lethe.throughput IN ACCESS EXCLUSIVE MODE`;
    return { result: await work(waiting) };
  });
  await blocker.end();
  return released.result;
}

describe('a shared look', () => {
  it('is one read for all who ask at once, and never older than the question', async () => {
    const id = await request(domain.ctx, (await subject(world.sql)).account);
    const look = createSharedLook(domain.ctx);
    const { early, late } = await whileReadsStand(async (waiting) => {
      const early = look(id);
      await until('it has begun', async () => (await waiting()) === 1);
      const scheduled = (await findErasure(domain.ctx.db, id)) as Erasure;
      await cancelErasure(domain.ctx, scheduled, 'test');
      const late = Array.from({ length: 20 }, () => look(id));
      // They wait for the first one to end, and none of them waits in the database.
      expect(await waiting()).toBe(1);
      return { early, late };
    });
    expect((await early)?.erasure.state).toBe('scheduled');
    const seen = await Promise.all(late);
    expect(new Set(seen).size).toBe(1);
    expect(seen[0]?.erasure.state).toBe('cancelled');
  });

  it('of an erasure that is not there is null, and a failure is not kept', async () => {
    const look = createSharedLook(domain.ctx);
    const id = '00000000-0000-7000-8000-000000000000';
    expect(await look(id)).toBeNull();
    await world.sql`ALTER FUNCTION lethe.progress_of(uuid) RENAME TO elsewhere`;
    const known = await request(domain.ctx, (await subject(world.sql)).account);
    await expect(Promise.all([look(known), look(known)])).rejects.toThrow();
    await world.sql`ALTER FUNCTION lethe.elsewhere(uuid) RENAME TO progress_of`;
    expect((await look(known))?.erasure.id).toBe(known);
  });
});
