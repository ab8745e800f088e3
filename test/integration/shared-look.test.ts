import { afterAll, beforeAll, expect, it } from 'vitest';
import { holdErasure } from '../../src/erasure/hold.ts';
import { createSharedLook } from '../../src/http/shared-look.ts';
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

it('who looks while somebody else’s read runs sees what they have done before, and shares it with the others', async () => {
  const id = await request(domain.ctx, (await subject(world.sql)).account);
  // A read takes its time, as on a busy server.
  await world.sql.unsafe(`ALTER FUNCTION lethe.progress_of(uuid) RENAME TO progress_at_once;
    CREATE FUNCTION lethe.progress_of(id uuid) RETURNS json LANGUAGE plpgsql STABLE AS
    $$ BEGIN PERFORM pg_sleep(0.3); RETURN lethe.progress_at_once(id); END $$`);
  const look = createSharedLook(domain.ctx);
  const before = look(id);
  await until('the first read runs', async () => {
    const rows = await world.sql`
      SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`;
    return rows.length > 0;
  });
  await holdErasure(domain.ctx, id, 'key:ops', 'court order');
  const after = await Promise.all([look(id), look(id), look(id)]);
  expect((await before)?.erasure.heldBy).toBeNull();
  expect(after[0]?.erasure.heldBy).toBe('key:ops');
  expect(new Set(after).size).toBe(1);
});
